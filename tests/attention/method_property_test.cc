// What the methods have in common, whatever the numbers: laws that relate one method, parameter or
// cut of the text to another, and the float64 definitions of the simple methods.

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/reference/window_attention.h"
#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

using reference::InfLlmOptions;

// A random text for one layer, run by any method.
struct Text {
  Text(uint64_t seed, const kernels::KernelTable& set, int least, int most)
      : rng(seed), dtype(static_cast<DType>(seed % 4)), kernels(set) {
    const ModelShape shape = RandomShape(rng);
    inputs = RandomInputs(
        rng, shape, least + static_cast<int>(rng.Below(static_cast<uint64_t>(most - least + 1))));
    calls = RandomCalls(rng, inputs.tokens, 60);
    name = fmt::format("seed {}: {}, {} tokens", seed, Describe(shape, dtype, set), inputs.tokens);
  }

  std::vector<float> Run(const AttentionConfig& config, const std::vector<int>& cut,
                         RequestHints hints = {}, int threads = 2) const {
    EXPECT_TRUE(Validate(config).ok()) << Validate(config).message();
    OneLayer layer(config, inputs.shape, dtype, 10000, 1, &kernels, threads);
    return Feed(layer, inputs, cut, hints);
  }
  std::vector<float> Run(const AttentionConfig& config) const { return Run(config, calls); }

  double Bound(int64_t keys) const { return BoundsOf(inputs, dtype, kernels, keys).out; }

  Rng rng;
  DType dtype;
  const kernels::KernelTable& kernels;
  LayerInputs inputs;
  std::vector<int> calls;
  std::string name;
};

// Two results of the engine over the same keys are each within the bound of the exact one.
void ExpectSame(const std::vector<float>& a, const std::vector<float>& b, double bound) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2 * bound) << "element " << i;
}

class MethodPropertyTest : public testing::TestWithParam<const kernels::KernelTable*> {};

using TermsOf = std::vector<reference::Term> (*)(int64_t, int64_t, int64_t);

void ExpectTerms(const Text& text, const AttentionConfig& config, int64_t sinks, int64_t window,
                 TermsOf terms) {
  const auto& in = text.inputs;
  const auto rotation = reference::Rotation::Plain(in.shape.head_dim);
  const reference::Rows q = in.q_rows(), k = in.k_rows(), v = in.v_rows();
  const std::vector<float> got = text.Run(config);
  // Where no raw key is kept, the rotated one is made before any rounding: the same bound.
  const double bound = text.Bound(std::min<int64_t>(in.tokens, sinks + window));
  size_t at = 0;
  for (int t = 0; t < in.tokens; ++t) {
    for (int h = 0; h < in.shape.heads; ++h) {
      const auto want = reference::MaskedAttention(rotation, q.at(t, h), k, v, h / in.shape.group(),
                                                   terms(t, sinks, window));
      for (double x : want.out) {
        ASSERT_NEAR(static_cast<double>(got[at++]), x, bound) << "token " << t << " head " << h;
      }
    }
  }
}

TEST_P(MethodPropertyTest, SimpleMethodsMatchTheirDefinitions) {
  for (uint64_t seed = 0; seed < 15; ++seed) {
    Text text(seed, *GetParam(), 20, 150);
    const auto sinks = static_cast<int64_t>(text.rng.Below(12));
    const auto window = 1 + static_cast<int64_t>(text.rng.Below(60));
    SCOPED_TRACE(fmt::format("{}, {} sinks, window {}", text.name, sinks, window));
    ExpectTerms(text, DenseConfig{}, 0, text.inputs.tokens,
                [](int64_t p, int64_t, int64_t) { return reference::DenseTerms(p); });
    ExpectTerms(text, StreamLlmConfig{sinks, window}, sinks, window, reference::StreamLlmTerms);
    ExpectTerms(text, InfiniteLmConfig{sinks, window}, sinks, window, reference::InfiniteLmTerms);
    if (HasFatalFailure()) return;
  }
}

// Every method, with a window (and, for those that have them, execution blocks) that fits.
std::vector<AttentionConfig> AllMethods(Rng& rng, int64_t sinks, int64_t window) {
  InfLlmOptions o = RandomOptions(rng, 100);
  o.I = sinks;
  o.L = window;
  o.X = 1 + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(window)));
  o.chunk_topk = 0;
  o.question_begin = 2;
  o.question_end = 6;
  o.question_weight = 1;
  InfLlmOptions plain = o;
  plain.question_end = 0;
  QuestConfig quest;
  quest.page_size = 4;
  quest.token_budget = window + 3;
  quest.dense_layers = 0;
  return {DenseConfig{},
          StreamLlmConfig{sinks, window},
          InfiniteLmConfig{sinks, window},
          ToConfig(plain),
          ToConfig(o),
          quest,
          H2oConfig{sinks, window},
          TovaConfig{window}};
}

TEST_P(MethodPropertyTest, ATextWithinTheWindowIsDense) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Text text(seed, *GetParam(), 5, 90);
    SCOPED_TRACE(text.name);
    const int64_t n = text.inputs.tokens;
    const std::vector<float> dense = text.Run(DenseConfig{});
    const double bound = text.Bound(n);
    for (const auto& config :
         AllMethods(text.rng, 4, n + static_cast<int64_t>(text.rng.Below(3)))) {
      SCOPED_TRACE(MethodName(config));
      ExpectSame(text.Run(config, text.calls, {{2, 6}}), dense, bound);
    }
    if (HasFatalFailure()) return;
  }
}

TEST_P(MethodPropertyTest, TheCacheNeverChangesTheOutput) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Text text(seed, *GetParam(), 60, 150);
    InfLlmOptions o = RandomOptions(text.rng, text.inputs.tokens);
    SCOPED_TRACE(text.name + ", " + Describe(o));
    const std::vector<float> want = text.Run(ToConfig(o), text.calls, HintsOf(o));
    for (int rule = 0; rule < 3; ++rule) {
      for (int64_t blocks : {o.K, o.K + 3, int64_t{1000}}) {
        o.eviction = static_cast<reference::Eviction>(rule);
        o.cache_blocks = blocks;
        ASSERT_EQ(text.Run(ToConfig(o), text.calls, HintsOf(o)), want) << Describe(o);
      }
    }
  }
}

TEST_P(MethodPropertyTest, StrictWithAllBlocksIgnoresHowTheTextIsCut) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Text text(seed, *GetParam(), 60, 140);
    InfLlmOptions o = RandomOptions(text.rng, text.inputs.tokens);
    o.strict_mask = true;
    o.chunk_topk = 0;
    o.K = text.inputs.tokens;
    o.cache_blocks = o.K;
    const std::vector<float> want = text.Run(ToConfig(o), text.calls, HintsOf(o));
    for (int i = 0; i < 3; ++i) {
      o.X = 1 + static_cast<int64_t>(text.rng.Below(static_cast<uint64_t>(o.L)));
      const auto cut = RandomCalls(text.rng, text.inputs.tokens, 80);
      SCOPED_TRACE(text.name + ", " + Describe(o));
      ExpectSame(text.Run(ToConfig(o), cut, HintsOf(o)), want, text.Bound(text.inputs.tokens));
    }
    if (HasFatalFailure()) return;
  }
}

TEST_P(MethodPropertyTest, SimpleMethodsIgnoreHowTheTextIsCut) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Text text(seed, *GetParam(), 30, 300);
    const auto sinks = static_cast<int64_t>(text.rng.Below(20));
    const auto window = 1 + static_cast<int64_t>(text.rng.Below(100));
    const AttentionConfig configs[] = {DenseConfig{}, StreamLlmConfig{sinks, window},
                                       InfiniteLmConfig{sinks, window}};
    for (const auto& config : configs) {
      SCOPED_TRACE(
          fmt::format("{}, {} sinks, window {}, {}", text.name, sinks, window, MethodName(config)));
      const std::vector<float> want = text.Run(config, {text.inputs.tokens});
      const double bound = text.Bound(text.inputs.tokens);
      ExpectSame(text.Run(config), want, bound);
      ExpectSame(text.Run(config, std::vector<int>(static_cast<size_t>(text.inputs.tokens), 1)),
                 want, bound);
    }
    if (HasFatalFailure()) return;
  }
}

TEST_P(MethodPropertyTest, QLlmWithoutWeightOrQuestionIsInfLlm) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Text text(seed, *GetParam(), 60, 150);
    InfLlmOptions o = RandomOptions(text.rng, text.inputs.tokens);
    o.chunk_topk = 0;
    o.question_end = o.question_begin;
    const std::vector<float> want = text.Run(ToConfig(o));
    o.question_begin = 3;
    o.question_end = 9;
    SCOPED_TRACE(text.name + ", " + Describe(o));
    o.question_weight = 0;
    ASSERT_EQ(text.Run(ToConfig(o), text.calls, HintsOf(o)), want);
    o.question_weight = 4;
    ASSERT_EQ(text.Run(ToConfig(o), text.calls, {}), want);
  }
}

TEST_P(MethodPropertyTest, StrictInfLlmStartsAsInfiniteLm) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Text text(seed, *GetParam(), 60, 120);
    InfLlmOptions o = RandomOptions(text.rng, text.inputs.tokens);
    o.strict_mask = true;
    o.I = 1 + static_cast<int64_t>(text.rng.Below(20));
    SCOPED_TRACE(text.name + ", " + Describe(o));
    std::vector<float> inf_llm = text.Run(ToConfig(o), text.calls, HintsOf(o));
    std::vector<float> infinite = text.Run(InfiniteLmConfig{o.I, o.L});
    const auto n = static_cast<size_t>(std::min<int64_t>(text.inputs.tokens, o.L + o.I) *
                                       text.inputs.q_width());
    inf_llm.resize(n);
    infinite.resize(n);
    ExpectSame(inf_llm, infinite, text.Bound(o.L + o.I));
    if (HasFatalFailure()) return;
  }
}

TEST_P(MethodPropertyTest, SinksAndBlocksFollowTheLength) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Text text(seed, *GetParam(), 40, 160);
    const InfLlmOptions o = RandomOptions(text.rng, text.inputs.tokens);
    SCOPED_TRACE(text.name + ", " + Describe(o));
    OneLayer layer(ToConfig(o), text.inputs.shape, text.dtype, 10000, 1, GetParam());
    InfLlmRecorder recorder;
    SetInfLlmObserver(layer.state(), &recorder);
    for (int n : text.calls) {
      Feed(layer, text.inputs, std::vector<int>{n}, HintsOf(o));
      const TokenPos end = layer.kv().size();
      const int64_t sinks = std::clamp<int64_t>(end - o.L, 0, o.I);
      const int64_t blocks = std::max<int64_t>(0, (end - o.L - o.I) / o.B);
      const InfLlmRecorder::Step& last = recorder.steps.back();
      ASSERT_EQ(last.end, end);
      ASSERT_EQ(last.sinks_after, sinks);
      ASSERT_EQ(last.blocks_after, blocks);
      ASSERT_EQ(last.tail_start_after, sinks + blocks * o.B);
      MethodStats stats;
      layer.state().AddStats(stats);
      ASSERT_EQ(stats.memory_blocks, blocks);
    }
  }
}

TEST_P(MethodPropertyTest, OneQueryAtATimeDoublesNothing) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Text text(seed, *GetParam(), 40, 120);
    InfLlmOptions o = RandomOptions(text.rng, text.inputs.tokens);
    o.X = 1;
    SCOPED_TRACE(text.name + ", " + Describe(o));
    o.strict_mask = false;
    const std::vector<float> reference = text.Run(ToConfig(o), text.calls, HintsOf(o));
    o.strict_mask = true;
    ASSERT_EQ(text.Run(ToConfig(o), text.calls, HintsOf(o)), reference);
  }
}

TEST_P(MethodPropertyTest, ThreadsDoNotChangeABit) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Text text(seed, *GetParam(), 200, 400);
    for (const auto& config : AllMethods(text.rng, 4, 40)) {
      SCOPED_TRACE(fmt::format("{}, {}", text.name, MethodName(config)));
      const std::vector<float> want = text.Run(config, text.calls, {{2, 6}}, 1);
      for (int threads : {2, 3, 5}) {
        ASSERT_EQ(text.Run(config, text.calls, {{2, 6}}, threads), want) << threads << " threads";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, MethodPropertyTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
