// Models that were trained with a sliding window: what plans lose to it, and what layers then
// attend to.

#include <map>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/reference/window_attention.h"
#include "tests/support/infllm_runs.h"
#include "tests/support/plan_runs.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// How often a row attends to each key at its true distance, and at another.
using Counts = std::map<std::pair<TokenPos, bool>, int>;

Counts CountsOf(const AttentionPlan& plan, TokenPos query, int row, int head) {
  Counts counts;
  for (const Segment& s : plan.segments()) {
    if (head < s.heads.begin || head >= s.heads.end) continue;
    if (row < s.rows.begin || row >= s.rows.end) continue;
    const bool absolute = s.position == PositionRule::Absolute();
    for (const TokenRange& span : plan.spans(s)) {
      for (TokenPos t = span.begin; t < span.end; ++t) {
        if (t >= query - s.mask.before && t <= query - s.mask.after) ++counts[{t, absolute}];
      }
    }
    for (TokenPos t : plan.columns(s)) ++counts[{t, absolute}];
  }
  return counts;
}

AttentionPlan WithoutScores(const AttentionPlan& plan) {
  AttentionPlan out;
  for (Segment s : plan.segments()) {
    const auto spans = plan.spans(plan.segments()[out.segments().size()]);
    const auto columns = plan.columns(plan.segments()[out.segments().size()]);
    s.want_scores = false;
    out.Add(s);
    for (const TokenRange& span : spans) out.AddSpan(span);
    for (TokenPos t : columns) out.AddColumn(t);
  }
  return out;
}

TEST(ModelWindowProperty, PlansLoseExactlyWhatTheWindowHides) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const ModelShape shape = RandomShape(rng, 8);
    const int rows = 1 + static_cast<int>(rng.Below(20));
    const int tokens = rows + static_cast<int>(rng.Below(100));
    const TokenPos first = tokens - rows;
    const auto width = 1 + static_cast<int64_t>(rng.Below(60));
    const AttentionPlan before = WithoutScores(RandomPlan(rng, shape, first, rows, tokens));
    AttentionPlan after = WithoutScores(before);
    after.LimitToWindow(first, width);
    SCOPED_TRACE(fmt::format("seed {}, window {}", seed, width));
    int64_t pairs = 0;
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < shape.heads; ++h) {
        Counts want = CountsOf(before, first + r, r, h);
        std::erase_if(want, [&](const auto& count) {
          const auto [key, absolute] = count.first;
          return absolute && key <= first + r - width;
        });
        ASSERT_EQ(CountsOf(after, first + r, r, h), want) << "row " << r << " head " << h;
        for (const auto& [key, times] : want) pairs += times;
      }
    }
    ASSERT_EQ(after.AttendedPairs(first), pairs);
  }
}

// Dense attention of a sliding layer is a window at true distances; other layers are as before.
TEST(ModelWindowProperty, DenseAttentionSeesTheWindow) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed % 4);
    LayerInputs in = RandomInputs(rng, RandomShape(rng, 64), 120);
    const auto window = 1 + static_cast<int64_t>(rng.Below(seed % 5 == 0 ? 200 : 50));
    in.shape.windows = {window};
    SCOPED_TRACE(fmt::format("seed {}, window {}", seed, window));
    OneLayer layer(DenseConfig{}, in.shape, dtype);
    const std::vector<float> got = Feed(layer, in, RandomCalls(rng, in.tokens, 60));
    const double bound =
        BoundsOf(in, dtype, layer.context().kernels(), std::min<int64_t>(window, in.tokens)).out;
    const auto rotation = reference::Rotation::Plain(in.shape.head_dim);
    const reference::Rows q = in.q_rows(), k = in.k_rows(), v = in.v_rows();
    size_t at = 0;
    int64_t pairs = 0;
    for (int t = 0; t < in.tokens; ++t) {
      const auto terms = reference::StreamLlmTerms(t, 0, window);
      pairs += in.shape.heads * static_cast<int64_t>(terms.size());
      for (int h = 0; h < in.shape.heads; ++h) {
        const auto want =
            reference::MaskedAttention(rotation, q.at(t, h), k, v, h / in.shape.group(), terms);
        for (double x : want.out) {
          ASSERT_NEAR(static_cast<double>(got[at++]), x, bound) << "token " << t << " head " << h;
        }
      }
    }
    EXPECT_EQ(layer.pairs().attended, pairs);
  }
}

// A method whose keys all appear within the window is not changed by it.
TEST(ModelWindowProperty, MethodsWithinTheWindowAreAsWithoutIt) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const LayerInputs in = RandomInputs(rng, RandomShape(rng, 32), 150);
    const std::vector<int> calls = RandomCalls(rng, in.tokens, 40);
    reference::InfLlmOptions o = RandomOptions(rng, 60);
    const AttentionConfig configs[] = {StreamLlmConfig{4, 20}, InfiniteLmConfig{4, 20},
                                       ToConfig(o)};
    for (const AttentionConfig& config : configs) {
      SCOPED_TRACE(fmt::format("seed {}, {}", seed, MethodName(config)));
      LayerInputs sliding = in;
      sliding.shape.windows = {std::max<int64_t>(24, o.L)};
      ASSERT_THAT(MakeMethod(config)->Unsupported(sliding.shape), IsEmpty());
      OneLayer plain(config, in.shape, DType::kF32), with(config, sliding.shape, DType::kF32);
      ASSERT_EQ(Feed(with, sliding, calls, HintsOf(o)), Feed(plain, in, calls, HintsOf(o)));
    }
  }
}

TEST(ModelWindow, MethodsThatReachBeyondItAreRefused) {
  const auto reasons = [](const AttentionConfig& config, std::vector<int64_t> windows) {
    return MakeMethod(config)->Unsupported({3, 4, 2, 64, std::move(windows)});
  };
  InfLlmConfig inf_llm;
  inf_llm.n_local = 2048;
  EXPECT_THAT(reasons(inf_llm, {2048, 0, 2048}), IsEmpty());
  EXPECT_THAT(reasons(inf_llm, {0, 0, 0}), IsEmpty());
  EXPECT_THAT(
      reasons(inf_llm, {0, 2047, 4096}),
      ElementsAre("n_local is 2048, must be at most the model's sliding window of 2047 tokens"));
  EXPECT_THAT(reasons(StreamLlmConfig{128, 1920}, {2048, 2048, 2048}), IsEmpty());
  EXPECT_THAT(reasons(StreamLlmConfig{128, 1921}, {2048, 2048, 2048}),
              ElementsAre("n_init + n_local is 2049, must be at most the model's sliding window of "
                          "2048 tokens"));
  EXPECT_THAT(reasons(InfiniteLmConfig{128, 2048}, {2048, 2048, 2048}), IsEmpty());
  EXPECT_THAT(
      reasons(InfiniteLmConfig{128, 2049}, {2048, 2048, 2048}),
      ElementsAre("n_local is 2049, must be at most the model's sliding window of 2048 tokens"));
  EXPECT_THAT(reasons(DenseConfig{}, {1, 1, 1}), IsEmpty());
}

}  // namespace
}  // namespace quarry
