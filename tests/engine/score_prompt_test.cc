// Log-probabilities of a prompt against full logits, however the prompt is cut.

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/engine.h"

#include "base/file.h"
#include "kernels/dispatch.h"
#include "model/model.h"
#include "ops/rope_frequencies.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

const std::string kModel = SourcePath("models/needle-5m").string();

std::unique_ptr<Engine> OpenEngine(int64_t chunk_size) {
  auto engine = Engine::Open({.model = kModel,
                              .weight_dtype = DType::kF32,
                              .kv_dtype = DType::kF32,
                              .threads = 2,
                              .chunk_size = chunk_size});
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

std::vector<TokenId> BookTokens(const Engine& engine, size_t n) {
  const auto text = ReadFile(SourcePath("data/pride_and_prejudice.txt"), 1 << 24);
  auto ids = *engine.tokenizer().Encode(text->substr(3000, 4000));
  ids.resize(std::min(ids.size(), n));
  return ids;
}

TEST(ScorePrompt, IsTheLogSoftmaxOfTheLogits) {
  const auto engine = OpenEngine(64);
  const std::vector<TokenId> ids = BookTokens(*engine, 300);
  const GenerateResult r =
      engine->Generate({.prompt = ids, .max_new_tokens = 0, .score_prompt = true});
  ASSERT_TRUE(r.status.ok()) << r.status.message();
  ASSERT_EQ(r.prompt_logprobs.size(), ids.size() - 1);

  auto model = Model::Load(kModel, DType::kF32);
  ASSERT_TRUE(model.ok());
  ExecContext ctx(**kernels::ChooseKernelsFromEnvironment(), 2);
  Sequence sequence((*model)->shape(),
                    MakeRope((*model)->config().rope, (*model)->shape().head_dim, 8192),
                    std::make_shared<const MethodSet>(DenseConfig{}, (*model)->shape().layers),
                    {.kv_dtype = DType::kF32, .hints = {}});
  const auto vocab = static_cast<size_t>((*model)->config().vocab_size);
  std::vector<float> logits(vocab * ids.size());
  ASSERT_TRUE((*model)->Forward(ids, sequence, ctx, logits, {.all_logits = true}).ok());
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    double sum = 0;
    for (size_t t = 0; t < vocab; ++t) sum += std::exp(double{logits[i * vocab + t]});
    const double want = double{logits[i * vocab + static_cast<size_t>(ids[i + 1])]} - std::log(sum);
    ASSERT_NEAR(r.prompt_logprobs[i], want, 2e-4) << i;
  }
}

TEST(ScorePrompt, DoesNotDependOnChunksOrOneTokenSteps) {
  const auto whole = OpenEngine(512), cut = OpenEngine(37);
  const std::vector<TokenId> ids = BookTokens(*whole, 200);
  const auto score = [&](Engine& engine, int64_t tail) {
    return engine
        .Generate({.prompt = ids, .max_new_tokens = 0, .score_prompt = true, .decode_tail = tail})
        .prompt_logprobs;
  };
  const std::vector<float> expected = score(*whole, 0);
  ASSERT_EQ(expected.size(), ids.size() - 1);
  for (const auto& other :
       {score(*cut, 0), score(*cut, 50), score(*whole, static_cast<int64_t>(ids.size()) - 1)}) {
    ASSERT_EQ(other.size(), expected.size());
    for (size_t i = 0; i < other.size(); ++i) ASSERT_NEAR(other[i], expected[i], 1e-3) << i;
  }
}

TEST(ScorePrompt, ADecodedTailGivesTheSameAnswer) {
  const auto engine = OpenEngine(512);
  const auto ids = *engine->tokenizer().Encode(
      "The pass key is 53817. Remember it. 53817 is the pass key.\nThe pass key is");
  const auto plain = engine->Generate({.prompt = ids, .max_new_tokens = 6});
  const auto tail = engine->Generate({.prompt = ids, .max_new_tokens = 6, .decode_tail = 10});
  EXPECT_EQ(plain.text, tail.text);
  EXPECT_TRUE(plain.prompt_logprobs.empty());
}

TEST(ScorePrompt, RefusesATailLongerThanThePrompt) {
  const auto engine = OpenEngine(512);
  const auto r = engine->Generate({.prompt = {1, 2, 3}, .max_new_tokens = 1, .decode_tail = 3});
  EXPECT_EQ(r.status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(r.status.message().find("decode_tail is 3"), std::string::npos);
}

}  // namespace
}  // namespace quarry
