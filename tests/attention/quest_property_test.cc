// Quest against its float64 model and its own laws, on random texts.

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "attention/kv_rows.h"
#include "attention/methods/quest.h"
#include "tests/reference/quest_model.h"
#include "tests/support/layer_inputs.h"
#include "tests/support/plan_runs.h"

namespace quarry {
namespace {

using reference::QuestOptions;

// Everything of a step.
class Recorder : public QuestObserver {
 public:
  struct Step {
    TokenPos query;
    int64_t pages, stride;
    std::vector<float> bounds;
    std::vector<std::vector<int64_t>> selected;
  };
  void OnStep(const QuestStep& s) override {
    steps.push_back({s.query, s.pages, s.stride, {s.bounds.begin(), s.bounds.end()}, {}});
    for (const auto& unit : s.selected) {
      steps.back().selected.emplace_back(unit.begin(), unit.end());
    }
  }
  std::vector<Step> steps;
};

// MHA, GQA or MQA with any head dimension there is.
ModelShape AnyShape(Rng& rng) {
  constexpr int kHeads[][2] = {{1, 1}, {4, 4}, {4, 2}, {6, 2}, {8, 1}, {8, 2}};
  const auto& heads = kHeads[rng.Below(std::size(kHeads))];
  return {1, heads[0], heads[1], 8 * (1 + static_cast<int>(rng.Below(32)))};
}

struct Case {
  Case(uint64_t seed, const kernels::KernelTable& set, int least = 20, int most = 300)
      : rng(seed), dtype(static_cast<DType>(seed % 3)), kernels(set) {
    const int tokens = least + static_cast<int>(rng.Below(static_cast<uint64_t>(most - least + 1)));
    inputs = RandomInputs(rng, AnyShape(rng), tokens);
    constexpr int64_t kPageSizes[] = {1, 3, 7, 8, 16, 31, 32};
    config.page_size = kPageSizes[rng.Below(std::size(kPageSizes))];
    const int64_t pages = tokens / config.page_size + 1;
    config.token_budget =
        config.page_size * (1 + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(pages)))) +
        static_cast<int64_t>(rng.Below(static_cast<uint64_t>(config.page_size)));
    config.dense_layers = 0;
    config.selection = seed % 4 == 3 ? QuestSelection::kEval : QuestSelection::kKernel;
    if (config.selection == QuestSelection::kKernel) {
      config.group_score = static_cast<QuestGroup>(rng.Below(3));
    }
    prompt = static_cast<TokenPos>(rng.Below(static_cast<uint64_t>(tokens)));
    name = fmt::format("seed {}: {}, {} tokens, prompt {}, S {}, T {}, {}, group {}", seed,
                       quarry::Describe(inputs.shape, dtype, set), tokens, prompt, config.page_size,
                       config.token_budget,
                       config.selection == QuestSelection::kEval ? "eval" : "kernel",
                       static_cast<int>(config.group_score));
  }

  OneLayer Layer(double scale, int threads = 2) const {
    return OneLayer(config, inputs.shape, dtype, 10000, scale, &kernels, threads);
  }
  std::vector<float> Run(OneLayer& layer, Rng& cuts) const {
    return FeedAnswer(layer, inputs, prompt, inputs.tokens, cuts);
  }

  Rng rng;
  DType dtype;
  const kernels::KernelTable& kernels;
  LayerInputs inputs;
  QuestConfig config;
  TokenPos prompt = 0;
  std::string name;
};

class QuestPropertyTest : public testing::TestWithParam<const kernels::KernelTable*> {};

// Inputs are multiples of 1/32 below 1.5 and nothing rotates, so that products are multiples of
// 2^-10 and sums of 512 of them need 20 bits: bounds are exact and ties are ties.
TEST_P(QuestPropertyTest, ChoosesWhatTheModelChooses) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    OneLayer layer = c.Layer(0);
    Recorder recorder;
    SetQuestObserver(layer.state(), &recorder);
    const std::vector<float> out = c.Run(layer, c.rng);
    ASSERT_EQ(static_cast<TokenPos>(recorder.steps.size()), c.inputs.tokens - c.prompt);

    const QuestOptions options = {.page_size = c.config.page_size,
                                  .budget = c.config.token_budget,
                                  .eval = c.config.selection == QuestSelection::kEval,
                                  .group = static_cast<QuestOptions::Group>(c.config.group_score)};
    const reference::Rows q = c.inputs.q_rows(), k = c.inputs.k_rows(), v = c.inputs.v_rows();
    const auto rotation = reference::Rotation::Plain(k.dim, 10000, 0);
    const double bound =
        BoundsOf(c.inputs, DType::kF32 /* keys are exact */, c.kernels, c.inputs.tokens).out +
        (c.kernels.isa == "avx512bf16" && c.dtype == DType::kBF16 ? 0x1p-7 * c.inputs.v_max() : 0);
    for (const Recorder::Step& s : recorder.steps) {
      const auto want =
          reference::QuestPageChoice(options, q.at(s.query, 0), q.heads, k, s.query + 1);
      ASSERT_EQ(s.selected, want) << "query " << s.query;
      for (int h = 0; h < q.heads; ++h) {
        const auto& pages =
            want[static_cast<size_t>(h) * want.size() / static_cast<size_t>(q.heads)];
        std::vector<reference::Term> terms;
        for (int64_t p : pages) {
          const TokenPos end = std::min(s.query + 1, (p + 1) * c.config.page_size);
          for (TokenPos t = p * c.config.page_size; t < end; ++t) terms.push_back({t, s.query - t});
        }
        const int kv_head = h / c.inputs.shape.group();
        const auto a = reference::MaskedAttention(rotation, q.at(s.query, h), k, v, kv_head, terms);
        for (int d = 0; d < k.dim; ++d) {
          const auto at = static_cast<size_t>((s.query * q.heads + h) * k.dim + d);
          ASSERT_NEAR(out[at], a.out[static_cast<size_t>(d)], bound) << "query " << s.query;
        }
      }
    }
  }
}

// Rotated keys as stored: no product of a page's key exceeds the page's bound, but for rounding; a
// page of one token reaches it.
TEST_P(QuestPropertyTest, BoundsHold) {
  for (uint64_t seed = 0; seed < 32; ++seed) {
    Case c(seed, *GetParam());
    if (seed % 4 == 3) c.dtype = DType::kI8;
    const bool small = seed / 4 % 2 == 1;
    if (small) c.config.page_bounds = PageBoundsType::kInt8;
    SCOPED_TRACE(c.name);
    const int dim = c.inputs.shape.head_dim;
    OneLayer layer = c.Layer(1);
    Recorder recorder;
    SetQuestObserver(layer.state(), &recorder);
    c.Run(layer, c.rng);
    ASSERT_FALSE(recorder.steps.empty());
    const auto rotation = reference::Rotation::Plain(dim);
    const reference::Rows q = c.inputs.q_rows();
    for (const Recorder::Step& s : recorder.steps) {
      for (int h = 0; h < c.inputs.shape.heads; h += 3) {
        const auto rotated = rotation.Rotate(q.at(s.query, h), dim, s.query);
        std::vector<double> largest(static_cast<size_t>(s.pages), -INFINITY);
        double size = 0;  // |q| |k|, what errors are relative to
        std::vector<float> key(static_cast<size_t>(dim));
        for (TokenPos t = 0; t <= s.query; ++t) {
          ReadKey(layer.kv(), 0, KvPlane::kRotatedKeys, h / c.inputs.shape.group(), t, c.dtype, dim,
                  key.data());
          double dot = 0, norm = 0;
          for (int d = 0; d < dim; ++d) {
            const double x = key[static_cast<size_t>(d)];
            dot += rotated[static_cast<size_t>(d)] * x;
            norm += std::abs(rotated[static_cast<size_t>(d)] * x);
          }
          auto& top = largest[static_cast<size_t>(t / c.config.page_size)];
          top = std::max(top, dot);
          size = std::max(size, norm);
        }
        // The query is rotated in f32 (5 u), then 2 dim products are summed.
        const double error =
            (2 * dim + 8) * kUnitF32 * (size + c.inputs.q_norm() * c.inputs.k_norm());
        for (int64_t p = 0; p < s.pages; ++p) {
          const auto bound = static_cast<double>(s.bounds[static_cast<size_t>(h * s.stride + p)]);
          ASSERT_GE(bound, largest[static_cast<size_t>(p)] - error) << "query " << s.query;
          if (c.config.page_size == 1) {
            // Summaries of int8 keys are rounded outwards to bf16, int8 ones by a step of the
            // largest channel.
            const double outwards =
                small ? static_cast<double>(dim) / 127 * c.inputs.q_norm() * c.inputs.k_norm()
                : c.dtype == DType::kI8 ? 0x1p-7 * size
                                        : 0;
            ASSERT_NEAR(bound, largest[static_cast<size_t>(p)], error + outwards)
                << "query " << s.query;
          }
        }
      }
    }
  }
}

TEST_P(QuestPropertyTest, SelectionsAreSortedUniqueAndCausal) {
  for (uint64_t seed = 0; seed < 24; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    OneLayer layer = c.Layer(1);
    Recorder recorder;
    SetQuestObserver(layer.state(), &recorder);
    const Recorder::Step* last = nullptr;
    for (TokenPos end = c.prompt + 1; end <= c.inputs.tokens; ++end) {
      FeedAnswer(layer, c.inputs, c.prompt, end, c.rng);
      ASSERT_FALSE(recorder.steps.empty());
      last = &recorder.steps.back();
      ASSERT_EQ(last->query, end - 1);
      for (const auto& unit : last->selected) {
        ASSERT_TRUE(std::is_sorted(unit.begin(), unit.end()));
        ASSERT_EQ(std::set<int64_t>(unit.begin(), unit.end()).size(), unit.size());
        ASSERT_LT(unit.back(), last->pages);
        if (c.config.selection == QuestSelection::kKernel) {
          ASSERT_EQ(unit.back(), last->pages - 1);
          ASSERT_EQ(static_cast<int64_t>(unit.size()),
                    std::min(last->pages, c.config.token_budget / c.config.page_size));
        }
      }
      for (const Segment& s : layer.last_plan().segments()) {
        for (const TokenRange& span : layer.last_plan().spans(s)) ASSERT_LE(span.end, end);
      }
    }
  }
}

// With room for every page, decoding is dense attention, bit for bit.
TEST_P(QuestPropertyTest, EveryPageIsDense) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    c.config.selection = QuestSelection::kKernel;
    c.config.token_budget = (c.inputs.tokens / c.config.page_size + 1) * c.config.page_size;
    SCOPED_TRACE(c.name);
    OneLayer quest = c.Layer(1);
    OneLayer dense(DenseConfig{}, c.inputs.shape, c.dtype, 10000, 1, &c.kernels);
    Rng cuts(seed), same(seed);
    ASSERT_EQ(c.Run(quest, cuts), FeedAnswer(dense, c.inputs, c.prompt, c.inputs.tokens, same));
  }
}

TEST_P(QuestPropertyTest, AHigherBudgetKeepsMore) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Case c(seed, *GetParam(), 20, 100);
    c.config.selection = QuestSelection::kKernel;
    SCOPED_TRACE(c.name);
    std::vector<std::set<int64_t>> before;
    for (int64_t pages = 1; pages <= c.inputs.tokens / c.config.page_size + 1; ++pages) {
      c.config.token_budget = pages * c.config.page_size;
      OneLayer layer = c.Layer(1);
      Recorder recorder;
      SetQuestObserver(layer.state(), &recorder);
      const std::vector<int> prompt = {c.inputs.tokens - 1};
      if (prompt[0] > 0) Feed(layer, c.inputs, prompt, {}, Phase::kPrefill);
      Feed(layer, c.inputs, std::vector<int>{1}, {}, Phase::kDecode);
      ASSERT_FALSE(recorder.steps.empty());
      std::vector<std::set<int64_t>> now;
      for (const auto& unit : recorder.steps[0].selected)
        now.emplace_back(unit.begin(), unit.end());
      for (size_t u = 0; u < before.size(); ++u) {
        ASSERT_TRUE(
            std::includes(now[u].begin(), now[u].end(), before[u].begin(), before[u].end()));
      }
      before = now;
    }
  }
}

// How the prompt is cut does not change what is chosen, and hardly the outputs.
TEST_P(QuestPropertyTest, IgnoresHowThePromptIsCut) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    Recorder whole, cut;
    OneLayer a = c.Layer(1), b = c.Layer(1);
    SetQuestObserver(a.state(), &whole);
    SetQuestObserver(b.state(), &cut);
    if (c.prompt > 0) {
      Feed(a, c.inputs, std::vector<int>{static_cast<int>(c.prompt)}, {}, Phase::kPrefill);
    }
    const auto out_a = FeedAnswer(a, c.inputs, c.prompt, c.inputs.tokens, c.rng);
    FeedAnswer(b, c.inputs, c.prompt, c.prompt, c.rng);
    const auto out_b = FeedAnswer(b, c.inputs, c.prompt, c.inputs.tokens, c.rng);
    ASSERT_EQ(out_a, out_b);
    ASSERT_FALSE(whole.steps.empty());
    ASSERT_EQ(whole.steps.size(), cut.steps.size());
    for (size_t i = 0; i < whole.steps.size(); ++i) {
      ASSERT_EQ(whole.steps[i].selected, cut.steps[i].selected);
    }
  }
}

// Several tokens that are decoded together are as if they were decoded one by one.
TEST_P(QuestPropertyTest, TokensDecodedTogetherChooseAlone) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    OneLayer one = c.Layer(1), many = c.Layer(1);
    Recorder a, b;
    SetQuestObserver(one.state(), &a);
    SetQuestObserver(many.state(), &b);
    c.Run(one, c.rng);
    FeedAnswer(many, c.inputs, c.prompt, c.prompt, c.rng);
    Feed(many, c.inputs, RandomCalls(c.rng, c.inputs.tokens - static_cast<int>(c.prompt), 9), {},
         Phase::kDecode);
    ASSERT_FALSE(a.steps.empty());
    ASSERT_EQ(a.steps.size(), b.steps.size());
    for (size_t i = 0; i < a.steps.size(); ++i) ASSERT_EQ(a.steps[i].selected, b.steps[i].selected);
    ASSERT_EQ(one.pairs().attended, many.pairs().attended);
  }
}

TEST_P(QuestPropertyTest, ThreadsDoNotChangeABit) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Case c(seed, *GetParam(), 200, 400);
    SCOPED_TRACE(c.name);
    OneLayer first = c.Layer(1, 1);
    Rng cuts(seed);
    const auto want = c.Run(first, cuts);
    for (int threads : {2, 3, 5}) {
      OneLayer layer = c.Layer(1, threads);
      Rng same(seed);
      ASSERT_EQ(c.Run(layer, same), want) << threads << " threads";
    }
  }
}

// Going back and on again, and both branches of a fork, are as a sequence that was never elsewhere.
TEST_P(QuestPropertyTest, TruncateAndForkAreAFreshRun) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    LayerInputs other = RandomInputs(c.rng, c.inputs.shape, c.inputs.tokens);
    const auto at = static_cast<TokenPos>(c.rng.Below(static_cast<uint64_t>(c.inputs.tokens)));
    std::copy_n(c.inputs.q.begin(), at * c.inputs.q_width(), other.q.begin());
    std::copy_n(c.inputs.k.begin(), at * c.inputs.kv_width(), other.k.begin());
    std::copy_n(c.inputs.v.begin(), at * c.inputs.kv_width(), other.v.begin());
    const auto answer = [&](const LayerInputs& in) {
      OneLayer fresh = c.Layer(1);
      const auto out = FeedAnswer(fresh, in, c.prompt, in.tokens, c.rng);
      return std::vector<float>(out.begin() + std::max(at, c.prompt) * in.q_width(), out.end());
    };
    const auto rest = [&](OneLayer& layer, const LayerInputs& in) {
      auto out = FeedAnswer(layer, in, c.prompt, in.tokens, c.rng);
      out.erase(out.begin(), out.begin() + std::max<TokenPos>(0, c.prompt - at) * in.q_width());
      return out;
    };
    const auto want = answer(c.inputs), other_want = answer(other);

    OneLayer layer = c.Layer(1);
    c.Run(layer, c.rng);
    ASSERT_EQ(layer.Truncate(at), at);
    const auto fork = layer.Fork();
    ASSERT_EQ(rest(*fork, other), other_want);
    ASSERT_EQ(rest(layer, c.inputs), want);
    ASSERT_EQ(layer.Truncate(at), at);
    ASSERT_EQ(rest(layer, other), other_want);
  }
}

// What a step reads is what the cost model says: summaries of P - 1 pages (M) and the tokens of B
// pages (R), here for one list per KV head.
TEST(Quest, ReadsWhatTheCostModelSays) {
  Rng rng(5);
  const ModelShape shape = {1, 8, 2, 64};
  QuestConfig c;
  c.dense_layers = 0;
  c.token_budget = 128;
  c.group_score = QuestGroup::kMax;
  for (int tokens : {512, 505, 497}) {
    const LayerInputs in = RandomInputs(rng, shape, tokens);
    OneLayer layer(c, shape, DType::kF16);
    Feed(layer, in, std::vector<int>{tokens - 1}, {}, Phase::kPrefill);
    Feed(layer, in, std::vector<int>{1}, {}, Phase::kDecode);
    int64_t read = 0;
    for (const Segment& s : layer.last_plan().segments()) {
      read += layer.last_plan().KeyCount(s) * 2 * shape.head_dim * 2;
    }
    const int64_t pages = 32, kept = 8, in_last = tokens - 31 * 16;
    EXPECT_EQ(read, 2 * ((kept - 1) * 16 + in_last) * shape.kv_heads * shape.head_dim * 2);
    EXPECT_EQ(PagesOfQuest(layer.state()).BytesOf(pages - 1),
              2 * (pages - 1) * shape.kv_heads * shape.head_dim * 2);
    // Two panels of 16 pages: the summaries take 1/S of the keys and values.
    EXPECT_EQ(layer.state().size_bytes(), 512u * 2 * 2 * 64 * 2 / 16);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, QuestPropertyTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
