// Several sequences through the model at once give what each gives alone.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "model/model.h"
#include "ops/matmul.h"
#include "ops/rope_frequencies.h"
#include "tests/support/paths.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

constexpr int kSteps = 4;

struct Fixture {
  explicit Fixture(const AttentionSetup& setup, std::optional<WeightType> quantize = {})
      : ctx(**kernels::ChooseKernelsFromEnvironment(), 2) {
    auto loaded = Model::Load(SourcePath("models/needle-5m"), std::nullopt, quantize);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    model = *loaded;
    methods = std::make_shared<const MethodSet>(setup, model->shape().layers);
  }

  // Has read `n` tokens that depend on the seed.
  Sequence Read(uint64_t seed, int64_t n) {
    Sequence s(model->shape(), MakeRope(model->config().rope, model->shape().head_dim, 2048),
               methods, {.kv_dtype = DType::kF16, .hints = {.question = {}, .prompt_end = n}});
    EXPECT_TRUE(model->Forward(Tokens(seed, n), s, ctx, {}, {}).ok());
    return s;
  }
  std::vector<TokenId> Tokens(uint64_t seed, int64_t n) const {
    Rng rng(seed);
    std::vector<TokenId> ids(static_cast<size_t>(n));
    for (TokenId& id : ids) id = static_cast<TokenId>(rng.Below(2000));
    return ids;
  }

  std::shared_ptr<const Model> model;
  ExecContext ctx;
  std::shared_ptr<const MethodSet> methods;
};

// [sequence][step][vocab], of `n` sequences of different lengths.
using Logits = std::vector<std::vector<std::vector<float>>>;

Logits Decode(Fixture& f, size_t n, bool together) {
  const auto vocab = static_cast<size_t>(f.model->config().vocab_size);
  Logits logits(n, std::vector(kSteps, std::vector<float>(vocab)));
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < n; ++i) sequences.push_back(f.Read(i, 20 + 37 * static_cast<int64_t>(i)));
  for (size_t step = 0; step < kSteps; ++step) {
    std::vector<std::vector<TokenId>> tokens;
    std::vector<Model::Part> parts;
    for (size_t i = 0; i < n; ++i) tokens.push_back(f.Tokens(100 * i + step, 1));
    for (size_t i = 0; i < n; ++i) parts.push_back({tokens[i], &sequences[i], logits[i][step]});
    if (together) {
      EXPECT_TRUE(f.model->Forward(parts, f.ctx, Phase::kDecode).ok());
      continue;
    }
    for (Model::Part& p : parts) {
      EXPECT_TRUE(
          f.model->Forward(p.tokens, *p.sequence, f.ctx, p.logits, {.phase = Phase::kDecode}).ok());
    }
  }
  for (size_t i = 0; i < n; ++i) {
    EXPECT_EQ(sequences[i].size(), 20 + 37 * static_cast<int64_t>(i) + kSteps);
  }
  return logits;
}

TEST(ForwardParts, FewTokensAreBitForBitWhatTheyAreAlone) {
  InfLlmConfig memory;
  memory.n_init = 8;
  memory.n_local = 32;
  memory.block_size = 8;
  memory.topk = 2;
  memory.repr_topk = 2;
  memory.exc_block_size = 16;
  memory.max_cached_block = 4;
  QuestConfig quest;
  quest.token_budget = 32;
  quest.dense_layers = 0;
  for (const AttentionSetup& setup :
       {AttentionSetup(DenseConfig{}), AttentionSetup(memory), AttentionSetup(quest)}) {
    SCOPED_TRACE(Describe(setup));
    Fixture f(setup);
    EXPECT_EQ(Decode(f, kGemvMaxRows, true), Decode(f, kGemvMaxRows, false));
  }
}

TEST(ForwardParts, QuantizedWeightsToo) {
  Fixture f(DenseConfig{}, WeightType::kQ8_0);
  EXPECT_EQ(Decode(f, 3, true), Decode(f, 3, false));
}

TEST(ForwardParts, ManyTokensDifferByRoundingOnly) {
  Fixture f(DenseConfig{});
  const size_t n = kGemvMaxRows + 2;
  const Logits together = Decode(f, n, true), alone = Decode(f, n, false);
  for (size_t i = 0; i < n; ++i) {
    for (size_t step = 0; step < kSteps; ++step) {
      for (size_t v = 0; v < alone[i][step].size(); ++v) {
        ASSERT_NEAR(together[i][step][v], alone[i][step][v], 2e-3);
      }
    }
  }
}

// A part may be a piece of a prompt, and need no logits.
TEST(ForwardParts, PiecesOfDifferentSizes) {
  Fixture f(DenseConfig{});
  const auto vocab = static_cast<size_t>(f.model->config().vocab_size);
  Sequence a = f.Read(1, 30), b = f.Read(2, 50);
  Sequence a_alone = a.Fork();
  const std::vector<TokenId> three = f.Tokens(3, 3), two = f.Tokens(4, 2);
  std::vector<float> logits(vocab), alone(vocab);
  const Model::Part parts[] = {{two, &b, {}}, {three, &a, logits}};
  ASSERT_TRUE(f.model->Forward(parts, f.ctx, Phase::kPrefill).ok());
  ASSERT_TRUE(f.model->Forward(three, a_alone, f.ctx, alone, {}).ok());
  EXPECT_EQ(logits, alone);
  EXPECT_EQ(a.size(), 33);
  EXPECT_EQ(b.size(), 52);
}

}  // namespace
}  // namespace quarry
