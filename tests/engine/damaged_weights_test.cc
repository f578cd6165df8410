// Weights that are no numbers: an error, and never an answer.
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/engine.h"

#include "base/file.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/model_runs.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

TinyCheckpoint WithBytes() {
  Rng rng(7);
  TinyCheckpoint c = TinyLlama(rng);
  c.config["vocab_size"] = 256;
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    TinyCheckpoint::Tensor& t = c.tensors[name];
    t = Stacked(t, t);
    t = Stacked(t, t);
  }
  return c;
}

GenerateResult Generate(const TinyCheckpoint& c, bool score) {
  const TempDir folder;
  c.Write(folder.path());
  EXPECT_TRUE(WriteFileAtomically(folder.path() / "tokenizer.json", ByteTokenizerJson()).ok());
  const auto engine = Engine::Open({.model = folder.path(), .threads = 1});
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return (*engine)->Generate(
      {.prompt = {1, 2, 3}, .max_new_tokens = score ? 0 : 2, .score_prompt = score});
}

TEST(DamagedWeights, AreAnErrorOfTheRequest) {
  const TinyCheckpoint whole = WithBytes();
  ASSERT_TRUE(Generate(whole, false).status.ok());
  ASSERT_TRUE(Generate(whole, true).status.ok());

  TinyCheckpoint nan = whole;
  nan.tensors["lm_head.weight"].data[32 * 40] = std::numeric_limits<float>::quiet_NaN();
  GenerateResult r = Generate(nan, false);
  EXPECT_EQ(r.status.code(), StatusCode::kCorruptData);
  EXPECT_EQ(r.status.message(),
            "logit of token 40 is nan: the weights are damaged, or their products too large for "
            "floats");
  EXPECT_EQ(r.stop_reason, StopReason::kError);
  EXPECT_TRUE(r.token_ids.empty());
  r = Generate(nan, true);
  EXPECT_EQ(r.status.message(),
            "log-probability 0 is nan: the weights are damaged, or their products too large for "
            "floats");

  TinyCheckpoint infinite = whole;
  infinite.tensors["model.norm.weight"].data[0] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Generate(infinite, false).status.code(), StatusCode::kCorruptData);
}

}  // namespace
}  // namespace quarry
