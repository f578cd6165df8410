// InfQuest against InfLLM, whose attention it shares, and its own laws, on random texts.

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"
#include "tests/support/layer_inputs.h"

namespace quarry {
namespace {

struct Case {
  Case(uint64_t seed, const kernels::KernelTable& set)
      : rng(seed), dtype(static_cast<DType>(seed % 3)), kernels(set) {
    inputs = RandomInputs(rng, RandomShape(rng), 120 + static_cast<int>(rng.Below(180)));
    calls = RandomCalls(rng, inputs.tokens, 60);
    config.n_init = static_cast<int64_t>(rng.Below(20));
    config.n_local = 16 + static_cast<int64_t>(rng.Below(40));
    config.page_size = int64_t{1} << rng.Below(5);
    config.exc_block_size = 1 + static_cast<int64_t>(rng.Below(16));
    config.read_budget = static_cast<int64_t>(rng.Below(60));
    config.answer_budget = config.page_size + static_cast<int64_t>(rng.Below(60));
    config.group_score = static_cast<QuestGroup>(rng.Below(3));
    if (seed % 2 == 1) config.page_bounds = PageBoundsType::kInt8;
    EXPECT_TRUE(Validate(config).ok()) << Validate(config).message();
    name = fmt::format("seed {}: {}", seed, Describe(inputs.shape, dtype, set));
  }

  std::vector<float> Run(const AttentionConfig& c, const std::vector<int>& cut) const {
    OneLayer layer(c, inputs.shape, dtype, 10000, 1, &kernels, 2);
    return Feed(layer, inputs, cut, {});
  }
  double Bound() const { return BoundsOf(inputs, dtype, kernels, inputs.tokens).out; }

  Rng rng;
  DType dtype;
  const kernels::KernelTable& kernels;
  LayerInputs inputs;
  std::vector<int> calls;
  InfQuestConfig config;
  std::string name;
};

class InfQuestPropertyTest : public testing::TestWithParam<const kernels::KernelTable*> {};

// With room for every page it attends what InfLLM with room for every block attends: each key once,
// those beyond the window at its edge.
TEST_P(InfQuestPropertyTest, AllPagesAreAllBlocks) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    c.config.read_budget = c.config.answer_budget = 4096;
    InfLlmConfig all;
    all.n_init = c.config.n_init;
    all.n_local = c.config.n_local;
    all.block_size = 8;
    all.repr_topk = 1;
    all.topk = all.max_cached_block = 4096;
    all.exc_block_size = c.config.exc_block_size;
    all.mask = WindowMask::kStrict;
    const auto want = c.Run(all, {c.inputs.tokens});
    const auto got = c.Run(c.config, c.calls);
    const double bound = 2 * c.Bound();
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << i;
  }
}

TEST_P(InfQuestPropertyTest, SelectionsAreAscendingPagesOfThePast) {
  for (uint64_t seed = 100; seed < 112; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    OneLayer layer(c.config, c.inputs.shape, c.dtype, 10000, 1, &c.kernels, 2);
    const int half = c.inputs.tokens / 2;
    Feed(layer, c.inputs, std::vector<int>{half}, {});
    for (int t = half; t < c.inputs.tokens; ++t) {
      Feed(layer, c.inputs, std::vector<int>{1}, {});
      const AttentionPlan& plan = layer.last_plan();
      const TokenPos far = t + 1 - c.config.n_local;
      int covered = 0;
      for (const Segment& s : plan.segments()) {
        if (s.position == PositionRule::Absolute()) continue;
        covered += s.heads.size();
        TokenPos last = 0;
        int64_t retrieved = 0;
        std::vector<bool> seen(static_cast<size_t>(far), false);
        for (const TokenRange& span : plan.spans(s)) {
          ASSERT_GE(span.begin, last);
          ASSERT_LE(span.end, far);
          last = span.end;
          retrieved += span.size();
          std::fill(seen.begin() + span.begin, seen.begin() + span.end, true);
        }
        // Sinks and what is in no page yet are always there, and of the pages as many as fit.
        const int64_t size = c.config.page_size;
        int64_t pages = 0, kept = 0;
        for (TokenPos p = 0; p < far; p += size) {
          const auto begin = seen.begin() + p, end = seen.begin() + std::min(far, p + size);
          ASSERT_EQ(std::count(begin, end, true) % (end - begin), 0) << "part of a page";
          if (p < c.config.n_init || p + size > far) {
            ASSERT_TRUE(*begin) << "token " << p << " of " << far;
            continue;
          }
          ++pages;
          kept += *begin ? 1 : 0;
        }
        ASSERT_EQ(kept, std::min(pages, c.config.answer_budget / size));
        // Sinks and the unfinished page come on top of the budget.
        ASSERT_LE(retrieved, c.config.answer_budget + c.config.n_init + 2 * c.config.page_size);
      }
      ASSERT_EQ(covered, far > 0 ? c.inputs.shape.heads : 0);
    }
  }
}

TEST_P(InfQuestPropertyTest, TruncateAndForkGoOnAsAFreshRun) {
  for (uint64_t seed = 200; seed < 208; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    // One token a call: what was read does not depend on cuts then.
    const std::vector<int> ones(static_cast<size_t>(c.inputs.tokens), 1);
    const auto want = c.Run(c.config, ones);
    const auto width = static_cast<size_t>(c.inputs.shape.heads * c.inputs.shape.head_dim);

    OneLayer layer(c.config, c.inputs.shape, c.dtype, 10000, 1, &c.kernels, 2);
    Feed(layer, c.inputs, ones, {});
    const TokenPos back = layer.Truncate(c.inputs.tokens / 2);
    ASSERT_LE(back, c.inputs.tokens / 2);
    const auto fork = layer.Fork();
    const double bound = 2 * c.Bound();
    const std::vector<int> rest(static_cast<size_t>(c.inputs.tokens - back), 1);
    for (OneLayer* again : {&layer, fork.get()}) {
      const auto got = Feed(*again, c.inputs, rest, {});
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], want[static_cast<size_t>(back) * width + i], bound) << i;
      }
    }
  }
}

// One key of the far past points where the query does: its page is retrieved by every query head.
TEST_P(InfQuestPropertyTest, FindsThePlantedKey) {
  Rng rng(7);
  const ModelShape shape = {1, 4, 2, 64};
  LayerInputs in = RandomInputs(rng, shape, 600, 0.2);
  constexpr int kPlanted = 133;
  for (int h = 0; h < shape.kv_heads; ++h) {
    for (int d = 0; d < 64; ++d) {
      const float x = d % 3 == 0 ? 2.0f : -1.5f;
      in.k[static_cast<size_t>((kPlanted * shape.kv_heads + h) * 64 + d)] = x;
      // The query is seen from the window's edge, rotated by a few hundred positions; equal
      // channels of all pairs make its product with the key large at any angle only if it is
      // rotated back.
      for (int g = 0; g < 2; ++g) {
        in.q[static_cast<size_t>((599 * shape.heads + 2 * h + g) * 64 + d)] = x;
      }
    }
  }
  const InfQuestConfig config = {.n_init = 4,
                                 .n_local = 2,  // an angle close to none
                                 .page_size = 8,
                                 .read_budget = 8,
                                 .answer_budget = 8,
                                 .exc_block_size = 2};
  OneLayer layer(config, shape, DType::kF32, 10000, 1, GetParam(), 2);
  Feed(layer, in, std::vector<int>{599, 1}, {});
  int found = 0;
  for (const Segment& s : layer.last_plan().segments()) {
    for (const TokenRange& span : layer.last_plan().spans(s)) {
      if (span.begin <= kPlanted && kPlanted < span.end) found += s.heads.size();
    }
  }
  EXPECT_EQ(found, shape.heads);
}

INSTANTIATE_TEST_SUITE_P(Kernels, InfQuestPropertyTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
