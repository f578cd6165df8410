// H2O and TOVA against their float64 model and their own laws, on random texts.

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "attention/methods/eviction.h"
#include "tests/reference/eviction_cache.h"
#include "tests/support/attention_bounds.h"
#include "tests/support/layer_inputs.h"

namespace quarry {
namespace {

using reference::EvictionCache;
using reference::EvictionOptions;

struct Case {
  Case(uint64_t seed, const kernels::KernelTable& set, int least = 30, int most = 160)
      : rng(seed), dtype(static_cast<DType>(seed % 3)), kernels(set) {
    const int tokens = least + static_cast<int>(rng.Below(static_cast<uint64_t>(most - least + 1)));
    inputs = RandomInputs(rng, RandomShape(rng), tokens);
    prompt = static_cast<TokenPos>(rng.Below(static_cast<uint64_t>(tokens)));
    options.tova = seed % 2 == 1;
    options.heavy = static_cast<int64_t>(rng.Below(20));
    options.recent = static_cast<int64_t>(rng.Below(20));
    if (options.heavy + options.recent == 0) options.recent = 1;
    options.cache = 1 + static_cast<int64_t>(rng.Below(40));
    name = fmt::format("seed {}: {}, {} tokens, prompt {}, {}", seed,
                       Describe(inputs.shape, dtype, set), tokens, prompt,
                       options.tova ? fmt::format("tova {}", options.cache)
                                    : fmt::format("h2o {} + {}", options.heavy, options.recent));
  }

  AttentionConfig Config() const {
    if (options.tova) return TovaConfig{options.cache};
    return H2oConfig{options.heavy, options.recent};
  }
  int64_t Capacity() const { return options.tova ? options.cache : options.heavy + options.recent; }
  OneLayer Layer(int threads = 2) const {
    return OneLayer(Config(), inputs.shape, dtype, 10000, 1, &kernels, threads);
  }
  AttentionBounds Bounds() const { return BoundsOf(inputs, dtype, kernels, inputs.tokens); }

  Rng rng;
  DType dtype;
  const kernels::KernelTable& kernels;
  LayerInputs inputs;
  TokenPos prompt = 0;
  EvictionOptions options;
  std::string name;
};

std::vector<KeptTokens> Kept(OneLayer& layer) {
  return static_cast<const EvictionState&>(layer.state()).Settled(layer.context());
}

class EvictionPropertyTest : public testing::TestWithParam<const kernels::KernelTable*> {};

// As long as no score that decided was too close to call.
TEST_P(EvictionPropertyTest, KeepsWhatTheModelKeeps) {
  int64_t compared = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    OneLayer layer = c.Layer();
    const auto& in = c.inputs;
    EvictionCache model(c.options, reference::Rotation::Plain(in.shape.head_dim), in.q_rows(),
                        in.k_rows(), in.v_rows());
    std::vector<float> out = FeedAnswer(layer, in, c.prompt, c.prompt, c.rng);
    model.Prompt(c.prompt);
    const AttentionBounds bounds = c.Bounds();
    for (TokenPos t = c.prompt; t <= in.tokens; ++t) {
      const auto want = model.Settled();
      // A sum of at most t * group probabilities.
      const double error = 2 * bounds.probability * static_cast<double>(t * in.shape.heads) + 1e-6;
      EvictionCache next = model;
      if (t < in.tokens) next.Step();
      if (std::min(next.closest(), model.closest()) <= error) break;
      const auto got = Kept(layer);
      ASSERT_EQ(got.size(), want.size());
      for (size_t u = 0; u < got.size(); ++u) {
        ASSERT_EQ(got[u].tokens(), want[u].tokens) << "after " << t << " tokens, unit " << u;
        for (size_t i = 0; i < want[u].scores.size(); ++i) {
          ASSERT_NEAR(static_cast<double>(got[u].scores()[i]), want[u].scores[i], error);
        }
      }
      ++compared;
      if (t == in.tokens) break;
      out = Feed(layer, in, std::vector<int>{1}, {}, Phase::kDecode);
      model.Step();
      const auto width = static_cast<size_t>(in.q_width());
      for (size_t i = 0; i < width; ++i) {
        ASSERT_NEAR(static_cast<double>(out[i]), model.out()[model.out().size() - width + i],
                    bounds.out)
            << "token " << t;
      }
    }
  }
  // Halves and bfloat16 blur many scores; most steps must remain.
  EXPECT_GT(compared, 300);
}

TEST_P(EvictionPropertyTest, NeverKeepsMoreThanTheCapacity) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    OneLayer layer = c.Layer();
    FeedAnswer(layer, c.inputs, c.prompt, c.prompt, c.rng);
    std::vector<std::vector<TokenPos>> before;
    for (TokenPos t = c.prompt; t < c.inputs.tokens; ++t) {
      Feed(layer, c.inputs, std::vector<int>{1}, {}, Phase::kDecode);
      for (const KeptTokens& unit : static_cast<EvictionState&>(layer.state()).units()) {
        ASSERT_EQ(unit.size(), std::min<int64_t>(t + 1, c.Capacity()));
        const auto tokens = unit.tokens();
        ASSERT_TRUE(std::is_sorted(tokens.begin(), tokens.end()));
        if (!c.options.tova) {  // the latest tokens stay
          const auto recent = std::min<int64_t>(c.options.recent, t + 1);
          for (int64_t i = 0; i < recent; ++i)
            ASSERT_EQ(tokens[tokens.size() - 1 - static_cast<size_t>(i)], t - i);
        }
      }
      // A step attends what was kept and itself.
      for (const Segment& s : layer.last_plan().segments()) {
        if (s.rows.end != 1) continue;
        ASSERT_EQ(layer.last_plan().KeyCount(s), std::min<int64_t>(t, c.Capacity()) + 1);
      }
      // What was dropped does not come back.
      std::vector<std::vector<TokenPos>> now;
      for (const KeptTokens& unit : Kept(layer)) now.push_back(unit.tokens());
      for (size_t u = 0; u < before.size(); ++u) {
        for (TokenPos token : now[u]) {
          ASSERT_TRUE(token == t || std::binary_search(before[u].begin(), before[u].end(), token));
        }
      }
      before = now;
    }
  }
}

TEST_P(EvictionPropertyTest, ATextThatFitsIsDense) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Case c(seed, *GetParam());
    c.options.cache = c.options.heavy = c.inputs.tokens;
    SCOPED_TRACE(c.name);
    OneLayer layer = c.Layer();
    OneLayer dense(DenseConfig{}, c.inputs.shape, c.dtype, 10000, 1, &c.kernels);
    Rng cuts(seed), same(seed);
    const auto got = FeedAnswer(layer, c.inputs, c.prompt, c.inputs.tokens, cuts);
    const auto want = FeedAnswer(dense, c.inputs, c.prompt, c.inputs.tokens, same);
    const double bound = 2 * c.Bounds().out;
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], bound);
    ASSERT_EQ(layer.pairs().attended, dense.pairs().attended);
  }
}

// In a layer with a sliding window, tokens leave with the window as well: a cache as large as the
// window changes nothing, a smaller one never holds more than either.
TEST_P(EvictionPropertyTest, SlidingWindow) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    const int64_t window = 1 + static_cast<int64_t>(c.rng.Below(50));
    c.inputs.shape.windows = {window};
    SCOPED_TRACE(c.name + fmt::format(", window {}", window));
    OneLayer layer = c.Layer();
    FeedAnswer(layer, c.inputs, c.prompt, c.prompt, c.rng);
    for (TokenPos t = c.prompt; t < c.inputs.tokens; ++t) {
      Feed(layer, c.inputs, std::vector<int>{1}, {}, Phase::kDecode);
      for (const KeptTokens& unit : Kept(layer)) {
        ASSERT_LE(unit.size(), std::min(window, c.Capacity()));
        for (TokenPos token : unit.tokens()) ASSERT_GT(token, t - window);
      }
    }

    c.options.cache = c.options.heavy = window;
    OneLayer large = c.Layer();
    OneLayer dense(DenseConfig{}, c.inputs.shape, c.dtype, 10000, 1, &c.kernels);
    Rng cuts(seed), same(seed);
    const auto got = FeedAnswer(large, c.inputs, c.prompt, c.inputs.tokens, cuts);
    const auto want = FeedAnswer(dense, c.inputs, c.prompt, c.inputs.tokens, same);
    const double bound = 2 * c.Bounds().out;
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], bound);
    ASSERT_EQ(large.pairs().attended, dense.pairs().attended);
  }
}

// A prompt that fits the cache drops nothing, so that only sums of scores depend on its cuts; one
// call and many keep the same tokens unless their scores agree to the last bits.
TEST_P(EvictionPropertyTest, IgnoresHowThePromptIsCut) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    if (c.prompt == 0) continue;
    OneLayer whole = c.Layer(), cut = c.Layer();
    Feed(whole, c.inputs, std::vector<int>{static_cast<int>(c.prompt)}, {}, Phase::kPrefill);
    FeedAnswer(cut, c.inputs, c.prompt, c.prompt, c.rng);
    const auto a = Kept(whole), b = Kept(cut);
    for (size_t u = 0; u < a.size(); ++u) ASSERT_EQ(a[u].tokens(), b[u].tokens());
  }
}

TEST_P(EvictionPropertyTest, ThreadsDoNotChangeABit) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Case c(seed, *GetParam(), 100, 200);
    SCOPED_TRACE(c.name);
    OneLayer first = c.Layer(1);
    Rng cuts(seed);
    const auto want = FeedAnswer(first, c.inputs, c.prompt, c.inputs.tokens, cuts);
    for (int threads : {2, 5}) {
      OneLayer layer = c.Layer(threads);
      Rng same(seed);
      ASSERT_EQ(FeedAnswer(layer, c.inputs, c.prompt, c.inputs.tokens, same), want);
    }
  }
}

// The same calls again after a cut, and other tokens in a fork, give what a fresh sequence gives.
TEST_P(EvictionPropertyTest, TruncateAndForkAreAFreshRun) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam(), 150, 300);
    SCOPED_TRACE(c.name);
    c.prompt = std::max<TokenPos>(c.prompt, 80);
    const auto run = [&](OneLayer& layer, const LayerInputs& in) {
      // The prompt in fixed calls: restored states begin where a call began.
      std::vector<float> out;
      while (layer.kv().size() < c.prompt) {
        const TokenPos at = layer.kv().size();
        const auto n = std::min<TokenPos>(c.prompt, (at / 40 + 1) * 40) - at;
        const auto rows =
            Feed(layer, in, std::vector<int>{static_cast<int>(n)}, {}, Phase::kPrefill);
        out.insert(out.end(), rows.begin(), rows.end());
      }
      const auto rows = FeedAnswer(layer, in, c.prompt, in.tokens, c.rng);
      out.insert(out.end(), rows.begin(), rows.end());
      return out;
    };
    OneLayer fresh = c.Layer(), layer = c.Layer();
    const auto want = run(fresh, c.inputs);
    run(layer, c.inputs);
    for (int i = 0; i < 4; ++i) {
      const auto n = static_cast<TokenPos>(c.rng.Below(static_cast<uint64_t>(c.inputs.tokens)));
      const TokenPos p = layer.Truncate(n);
      ASSERT_LE(p, n);
      const auto fork = layer.Fork();
      const LayerInputs other = RandomInputs(c.rng, c.inputs.shape, c.inputs.tokens);
      run(*fork, other);
      const auto again = run(layer, c.inputs);
      ASSERT_EQ(again, std::vector<float>(want.begin() + p * c.inputs.q_width(), want.end()))
          << "truncated to " << n << ", restored " << p;
    }
  }
}

// Where another method read the prompt, nothing is dropped before a first query has judged it all.
TEST_P(EvictionPropertyTest, FollowsAPromptThatItDidNotRead) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Case c(seed, *GetParam());
    SCOPED_TRACE(c.name);
    const auto& in = c.inputs;
    const auto method = MakeMethod(c.Config());
    OneLayer reader(DenseConfig{}, in.shape, c.dtype, 10000, 1, &c.kernels);
    FeedAnswer(reader, in, c.prompt, c.prompt, c.rng);
    const auto state = method->NewState(in.shape, c.dtype, 0);
    PlanInput whole;
    whole.n_rows = static_cast<int>(c.prompt);
    whole.shape = &in.shape;
    method->Follow(whole, *state, reader.context());
    for (const KeptTokens& unit :
         static_cast<const EvictionState&>(*state).Settled(reader.context())) {
      ASSERT_EQ(unit.size(), c.prompt);
    }
    whole.phase = Phase::kDecode;
    whole.first = c.prompt;
    whole.n_rows = 1;
    AttentionPlan plan;
    method->Plan(whole, *state, reader.context(), plan);
    ASSERT_EQ(plan.AttendedPairs(c.prompt), in.shape.heads * (c.prompt + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, EvictionPropertyTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
