// Plans of every method: sorted, unique, causal, and counted right.

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

using reference::InfLlmOptions;

void ExpectSortedAndUnique(const AttentionPlan& plan, TokenPos end, const ModelShape& shape,
                           int rows) {
  for (const Segment& s : plan.segments()) {
    EXPECT_GE(s.heads.begin, 0);
    EXPECT_LE(s.heads.end, shape.heads);
    EXPECT_GE(s.rows.begin, 0);
    EXPECT_LE(s.rows.end, rows);
    TokenPos last = -1;
    for (const TokenRange& span : plan.spans(s)) {
      EXPECT_FALSE(span.empty());
      EXPECT_GT(span.begin, last) << "spans overlap, touch or go back";
      last = span.end;
    }
    EXPECT_LE(last, end);
    last = -1;
    for (TokenPos t : plan.columns(s)) {
      EXPECT_GT(t, last);
      last = t;
      for (const TokenRange& span : plan.spans(s)) EXPECT_FALSE(t >= span.begin && t < span.end);
    }
    EXPECT_LT(last, end);
  }
}

// How often each key is attended by one query of one head.
std::map<TokenPos, int> KeysOf(const AttentionPlan& plan, TokenPos query, int row, int head) {
  std::map<TokenPos, int> keys;
  for (const Segment& s : plan.segments()) {
    if (head < s.heads.begin || head >= s.heads.end) continue;
    if (row < s.rows.begin || row >= s.rows.end) continue;
    for (const TokenRange& span : plan.spans(s)) {
      for (TokenPos t = span.begin; t < span.end; ++t) {
        if (t >= query - s.mask.before && t <= query - s.mask.after) ++keys[t];
      }
    }
    for (TokenPos t : plan.columns(s)) ++keys[t];
  }
  return keys;
}

// doubled: [query - doubled_within + 1, query] may be attended twice, because the authors' code
// does; nothing else may.
void ExpectCausalAndCounted(const AttentionPlan& plan, TokenPos first, int rows, int heads,
                            int64_t doubled_within) {
  int64_t pairs = 0;
  for (int r = 0; r < rows; ++r) {
    for (int h = 0; h < heads; ++h) {
      const TokenPos query = first + r;
      const auto keys = KeysOf(plan, query, r, h);
      ASSERT_FALSE(keys.empty());
      ASSERT_EQ(keys.count(query), 1u) << "a query sees itself";
      for (const auto& [key, times] : keys) {
        ASSERT_LE(key, query);
        ASSERT_GE(key, 0);
        ASSERT_LE(times, query - key < doubled_within ? 2 : 1) << "query " << query << " " << key;
      }
      pairs += static_cast<int64_t>(keys.size());
    }
  }
  EXPECT_EQ(plan.AttendedPairs(first), pairs);
}

void CheckPlans(const AttentionConfig& config, Rng& rng, int longest, int64_t doubled_within,
                RequestHints hints) {
  const LayerInputs in =
      RandomInputs(rng, RandomShape(rng, 8), 60 + static_cast<int>(rng.Below(90)));
  OneLayer layer(config, in.shape, DType::kF32);
  // One execution block a call, so that every plan can be seen.
  int64_t attended = 0, causal = 0;
  for (int n : RandomCalls(rng, in.tokens, longest)) {
    const TokenPos first = layer.kv().size();
    Feed(layer, in, std::vector<int>{n}, hints);
    const AttentionPlan& plan = layer.last_plan();
    SCOPED_TRACE(fmt::format("[{}, {})", first, first + n));
    ExpectSortedAndUnique(plan, first + n, in.shape, n);
    ExpectCausalAndCounted(plan, first, n, in.shape.heads, doubled_within);
    if (testing::Test::HasFatalFailure()) return;
    attended += plan.AttendedPairs(first);
    for (TokenPos p = first; p < first + n; ++p) causal += (p + 1) * in.shape.heads;
    ASSERT_EQ(layer.pairs().attended, attended);
    ASSERT_EQ(layer.pairs().causal, causal);
    ASSERT_LE(layer.pairs().Density(), 1.0);
  }
}

TEST(PlanProperty, SimpleMethods) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed);
    const auto sinks = static_cast<int64_t>(rng.Below(20));
    const auto window = 1 + static_cast<int64_t>(rng.Below(50));
    SCOPED_TRACE(fmt::format("seed {}, {} sinks, window {}", seed, sinks, window));
    CheckPlans(DenseConfig{}, rng, 50, 0, {});
    CheckPlans(StreamLlmConfig{sinks, window}, rng, 50, 0, {});
    CheckPlans(InfiniteLmConfig{sinks, window}, rng, 50, 0, {});
    if (HasFatalFailure()) return;
  }
}

TEST(PlanProperty, InfLlmAndQLlm) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Rng rng(seed);
    const InfLlmOptions o = RandomOptions(rng, 100);
    SCOPED_TRACE(fmt::format("seed {}, {}", seed, Describe(o)));
    CheckPlans(ToConfig(o), rng, static_cast<int>(o.X), o.strict_mask ? 0 : o.L, HintsOf(o));
    if (HasFatalFailure()) return;
  }
}

// Calls of several execution blocks: the counts of all of them add up to what the float64 model's
// keys say.
TEST(PlanProperty, LayersAddUpTheirExecutionBlocks) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed);
    InfLlmOptions o = RandomOptions(rng, 100);
    const LayerInputs in = RandomInputs(rng, RandomShape(rng, 8), 120);
    SCOPED_TRACE(fmt::format("seed {}, {}", seed, Describe(o)));
    OneLayer layer(ToConfig(o), in.shape, DType::kF32);
    InfLlmRecorder recorder;
    SetInfLlmObserver(layer.state(), &recorder);
    Feed(layer, in, RandomCalls(rng, in.tokens, 60), HintsOf(o));
    int64_t attended = 0;
    for (const auto& s : recorder.steps) {
      for (TokenPos p = s.begin; p < s.end; ++p) {
        for (int h = 0; h < in.shape.heads; ++h) {
          std::set<TokenPos> keys;
          for (TokenPos t = std::max<TokenPos>(0, p - o.L + 1); t <= p; ++t) keys.insert(t);
          for (TokenPos t = 0; t < s.sinks_before; ++t) keys.insert(t);
          for (TokenPos t = s.tail.begin; t < s.tail.end; ++t) keys.insert(t);
          for (int64_t j : s.selected[o.per_head ? static_cast<size_t>(h) : 0]) {
            for (int64_t t = 0; t < o.B; ++t) keys.insert(o.I + j * o.B + t);
          }
          attended += static_cast<int64_t>(keys.size());
        }
      }
    }
    EXPECT_EQ(layer.pairs().attended, attended);
    EXPECT_EQ(layer.pairs().causal, int64_t{in.shape.heads} * in.tokens * (in.tokens + 1) / 2);
  }
}

}  // namespace
}  // namespace quarry
