// Going back and going on: after Truncate and the same calls again, and in both branches of a fork,
// a sequence is as if it had never been elsewhere.

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

using reference::InfLlmOptions;

// Long enough that blocks of the store (128 tokens) fall behind windows and are given back.
constexpr int kTokens = 620;

struct Case {
  explicit Case(uint64_t seed, int longest_call = 90) : rng(seed), dtype(DType(seed % 4)) {
    inputs = RandomInputs(rng, RandomShape(rng, 16), kTokens);
    calls = RandomCalls(rng, kTokens, longest_call);
    options = RandomOptions(rng, kTokens / 4);
    options.chunk_topk = 0;
    window = 1 + static_cast<int64_t>(rng.Below(200));
    sinks = static_cast<int64_t>(rng.Below(40));
    if (seed % 2 == 0) options.L += 150;
    name = fmt::format("seed {}: {}, {} sinks, window {}, {}", seed,
                       Describe(inputs.shape, dtype, kernels::ScalarKernels()), sinks, window,
                       Describe(options));
  }

  std::vector<AttentionConfig> Configs() const {
    InfLlmOptions plain = options;
    plain.question_begin = plain.question_end = 0;
    return {DenseConfig{}, StreamLlmConfig{sinks, window}, InfiniteLmConfig{sinks, window},
            ToConfig(plain), ToConfig(options)};
  }
  bool HasMemory(const AttentionConfig& c) const {
    return std::holds_alternative<InfLlmConfig>(c) || std::holds_alternative<QLlmConfig>(c);
  }
  double Bound() const {
    return BoundsOf(inputs, dtype, **kernels::ChooseKernelsFromEnvironment(), kTokens).out;
  }

  Rng rng;
  DType dtype;
  LayerInputs inputs;
  std::vector<int> calls;
  InfLlmOptions options;
  int64_t window = 0, sinks = 0;
  std::string name;
};

// The calls that cover [begin, end) along the borders of `calls`; the first and the last may be
// cut.
std::vector<int> CallsBetween(const std::vector<int>& calls, int64_t begin, int64_t end) {
  std::vector<int> out;
  int64_t at = 0;
  for (int n : calls) {
    const int64_t from = std::max(at, begin), to = std::min(at + n, end);
    if (to > from) out.push_back(static_cast<int>(to - from));
    at += n;
  }
  return out;
}

std::vector<int64_t> Borders(const std::vector<int>& calls) {
  std::vector<int64_t> borders = {0};
  for (int n : calls) borders.push_back(borders.back() + n);
  return borders;
}

// Exact: the state. Keys that were made again may differ in the last bit of an angle.
void ExpectSameStep(const InfLlmRecorder::Step& a, const InfLlmRecorder::Step& b) {
  ASSERT_EQ(a.begin, b.begin);
  ASSERT_EQ(a.end, b.end);
  ASSERT_EQ(a.sinks_after, b.sinks_after);
  ASSERT_EQ(a.blocks_after, b.blocks_after);
  ASSERT_EQ(a.tail, b.tail);
  ASSERT_EQ(a.selected, b.selected);
  ASSERT_EQ(a.question_tokens, b.question_tokens);
}

void ExpectRows(const std::vector<float>& got, const std::vector<float>& all, int64_t first,
                int64_t width, double bound) {
  const auto offset = static_cast<size_t>(first * width);
  ASSERT_LE(offset + got.size(), all.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], all[offset + i], bound)
        << "token " << first + static_cast<int64_t>(i) / width;
  }
}

TEST(TruncateProperty, GoingBackAndOnIsNeverHavingGone) {
  int64_t restored = 0, restarted = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Case c(seed);
    for (const AttentionConfig& config : c.Configs()) {
      SCOPED_TRACE(fmt::format("{}, {}", c.name, MethodName(config)));
      const RequestHints hints = HintsOf(c.options);
      InfLlmRecorder straight, wandering;
      OneLayer want_layer(config, c.inputs.shape, c.dtype);
      if (c.HasMemory(config)) SetInfLlmObserver(want_layer.state(), &straight);
      const std::vector<float> want = Feed(want_layer, c.inputs, c.calls, hints);

      OneLayer layer(config, c.inputs.shape, c.dtype);
      for (int turn = 0; turn < 4; ++turn) {
        // Forward to some border, back to any length.
        const auto borders = Borders(c.calls);
        const int64_t size = layer.kv().size();
        const int64_t to = std::max(size, borders[c.rng.Below(borders.size())]);
        Feed(layer, c.inputs, CallsBetween(c.calls, size, to), hints);
        const auto n = static_cast<TokenPos>(c.rng.Below(static_cast<uint64_t>(to) + 1));
        const TokenPos p = layer.Truncate(n);
        ASSERT_LE(p, n);
        ASSERT_EQ(layer.kv().size(), p);
        if (n == to) {
          ASSERT_EQ(p, n);
        }
        if (c.HasMemory(config)) {
          ASSERT_TRUE(std::count(borders.begin(), borders.end(), p)) << p << " is in a call";
        }
        ++(p > 0 ? restored : restarted);
      }
      const TokenPos p = layer.kv().size();
      if (c.HasMemory(config)) SetInfLlmObserver(layer.state(), &wandering);
      ExpectRows(Feed(layer, c.inputs, CallsBetween(c.calls, p, kTokens), hints), want, p,
                 c.inputs.q_width(), 2 * c.Bound());
      if (HasFatalFailure()) return;
      const size_t skipped = straight.steps.size() - wandering.steps.size();
      for (size_t i = 0; i < wandering.steps.size(); ++i) {
        ExpectSameStep(wandering.steps[i], straight.steps[skipped + i]);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(restored, restarted);
}

// Calls as long as checkpoints are apart: every one of the last few calls is remembered.
TEST(TruncateProperty, RestoresTheLastCallBeforeTheLength) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Case c(seed);
    SCOPED_TRACE(c.name);
    const std::vector<int> calls = {70, 64, 90, 65, 64, 100};
    const auto borders = Borders(calls);
    for (int trial = 0; trial < 5; ++trial) {
      OneLayer layer(ToConfig(c.options), c.inputs.shape, c.dtype);
      Feed(layer, c.inputs, calls, HintsOf(c.options));
      const auto n = static_cast<TokenPos>(c.rng.Below(453));
      const TokenPos want = *std::prev(std::upper_bound(borders.begin(), borders.end(), n));
      ASSERT_EQ(layer.Truncate(n), want) << "truncated to " << n;
    }
  }
}

// Two branches after a fork, fed in turns, the second with other tokens; each as if alone.
TEST(TruncateProperty, ForksGoTheirOwnWays) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Case c(seed);
    for (const AttentionConfig& config : c.Configs()) {
      SCOPED_TRACE(fmt::format("{}, {}", c.name, MethodName(config)));
      const RequestHints hints = HintsOf(c.options);
      const auto borders = Borders(c.calls);
      const int64_t at = borders[c.rng.Below(borders.size())];

      // The other text has the same beginning.
      LayerInputs other = RandomInputs(c.rng, c.inputs.shape, kTokens);
      std::copy_n(c.inputs.q.begin(), at * c.inputs.q_width(), other.q.begin());
      std::copy_n(c.inputs.k.begin(), at * c.inputs.kv_width(), other.k.begin());
      std::copy_n(c.inputs.v.begin(), at * c.inputs.kv_width(), other.v.begin());
      OneLayer alone(config, c.inputs.shape, c.dtype), other_alone(config, c.inputs.shape, c.dtype);
      const std::vector<float> want = Feed(alone, c.inputs, c.calls, hints);
      const std::vector<float> other_want = Feed(other_alone, other, c.calls, hints);

      OneLayer first(config, c.inputs.shape, c.dtype);
      Feed(first, c.inputs, CallsBetween(c.calls, 0, at), hints);
      const auto second = first.Fork();
      for (int n : CallsBetween(c.calls, at, kTokens)) {
        const TokenPos t = first.kv().size();
        ExpectRows(Feed(first, c.inputs, std::vector<int>{n}, hints), want, t, c.inputs.q_width(),
                   0);
        ExpectRows(Feed(*second, other, std::vector<int>{n}, hints), other_want, t,
                   c.inputs.q_width(), 0);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// A fork that goes back behind the point where it left, and on with other tokens.
TEST(TruncateProperty, AForkThatGoesBackLeavesTheOtherAlone) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Case c(seed, 70);
    for (const AttentionConfig& config : c.Configs()) {
      SCOPED_TRACE(fmt::format("{}, {}", c.name, MethodName(config)));
      const RequestHints hints = HintsOf(c.options);
      OneLayer alone(config, c.inputs.shape, c.dtype);
      const std::vector<float> want = Feed(alone, c.inputs, c.calls, hints);

      const auto borders = Borders(c.calls);
      const int64_t at = borders[borders.size() / 2];
      OneLayer first(config, c.inputs.shape, c.dtype);
      Feed(first, c.inputs, CallsBetween(c.calls, 0, at), hints);
      const auto second = first.Fork();
      const TokenPos p = second->Truncate(
          at -
          static_cast<TokenPos>(c.rng.Below(static_cast<uint64_t>(std::min<int64_t>(at, 90) + 1))));
      const LayerInputs other = RandomInputs(c.rng, c.inputs.shape, kTokens);
      Feed(*second, other, CallsBetween(c.calls, p, kTokens), hints);
      ExpectRows(Feed(first, c.inputs, CallsBetween(c.calls, at, kTokens), hints), want, at,
                 c.inputs.q_width(), 0);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quarry
