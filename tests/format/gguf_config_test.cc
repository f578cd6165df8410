#include "format/gguf_config.h"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/gguf_write.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A llama of 2 layers; `change` adds keys and tensors.
struct Made {
  std::string bytes;
  Result<HfConfig> config = NotFound("not read");
};

Made Make(const std::function<void(GgufBuilder&)>& change, std::string_view skip = "",
          std::string_view arch = "llama") {
  GgufBuilder b;
  const auto u32 = [&](const char* key, uint32_t value) {
    if (key != skip) b.SetU32(std::string(arch) + "." + key, value);
  };
  if (skip != "arch") b.SetString("general.architecture", arch);
  u32("block_count", 2);
  u32("embedding_length", 64);
  u32("feed_forward_length", 128);
  u32("context_length", 4096);
  u32("attention.head_count", 4);
  EXPECT_TRUE(b.AddTensor("token_embd.weight", WeightType::kF32, {100, 64}).ok());
  change(b);
  Made made;
  made.bytes = b.Header() + std::string(static_cast<size_t>(b.data_bytes()), '\0');
  const Result<GgufModel> model =
      GgufModel::FromBytes(std::as_bytes(std::span(made.bytes)), "m.gguf");
  if (!model.ok()) {
    made.config = model.status();
    return made;
  }
  made.config = ReadGgufConfig(*model);
  return made;
}

std::string ErrorOf(const Made& made) { return made.config.status().message(); }
void Nothing(GgufBuilder&) {}

TEST(GgufConfig, FillsInWhatTheFileLeavesOut) {
  const Made made = Make(Nothing);
  ASSERT_TRUE(made.config.ok()) << ErrorOf(made);
  const HfConfig& c = *made.config;
  EXPECT_EQ(c.family, ModelFamily::kLlama);
  EXPECT_EQ(c.n_kv_heads, 4);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.vocab_size, 100);
  EXPECT_EQ(c.rope.base, 10000);
  EXPECT_EQ(c.rope.rotated_dims, 16);
  EXPECT_TRUE(c.rope.adjacent_pairs);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_FALSE(c.qkv_bias);
  EXPECT_THAT(c.windows, ElementsAre(0, 0));
}

TEST(GgufConfig, ReadsScalings) {
  const Made yarn = Make([](GgufBuilder& b) {
    b.SetString("llama.rope.scaling.type", "yarn");
    b.SetF32("llama.rope.scaling.factor", 4);
    b.SetU32("llama.rope.scaling.original_context_length", 1024);
  });
  ASSERT_TRUE(yarn.config.ok()) << ErrorOf(yarn);
  EXPECT_EQ(yarn.config->rope.kind, RopeKind::kYarn);
  EXPECT_NEAR(yarn.config->rope.magnitude, 0.1 * std::log(4.0) + 1, 1e-12);
  const Made linear = Make([](GgufBuilder& b) { b.SetF32("llama.rope.scaling.factor", 2); });
  EXPECT_EQ(linear.config->rope.kind, RopeKind::kLinear);
  const Made none = Make([](GgufBuilder& b) {
    b.SetF32("llama.rope.scaling.factor", 2);
    b.SetString("llama.rope.scaling.type", "none");
  });
  EXPECT_EQ(none.config->rope.kind, RopeKind::kDefault);
  // The data of Make are zeros, which are no factors.
  EXPECT_THAT(ErrorOf(Make([](GgufBuilder& b) {
                (void)b.AddTensor("rope_freqs.weight", WeightType::kF32, {8});
              })),
              HasSubstr("tensor rope_freqs.weight has 0, must be between 1e-6 and 1e6"));
  EXPECT_THAT(ErrorOf(Make([](GgufBuilder& b) {
                (void)b.AddTensor("rope_freqs.weight", WeightType::kF32, {7});
              })),
              HasSubstr("has 7 values of f32, must have 8"));
}

TEST(GgufConfig, ErrorsNameKeyValueAndLimit) {
  EXPECT_EQ(ErrorOf(Make(Nothing, "arch")),
            "m.gguf: general.architecture is missing, must be a string");
  EXPECT_EQ(ErrorOf(Make(Nothing, "", "mamba")),
            "m.gguf: general.architecture is \"mamba\", must be one of llama, qwen2, qwen3, phi3, "
            "chatglm, glm4, minicpm");
  EXPECT_EQ(ErrorOf(Make(Nothing, "block_count")),
            "m.gguf: llama.block_count is missing, must be an integer between 1 and 10000");
  EXPECT_EQ(ErrorOf(Make([](GgufBuilder& b) { b.SetU32("llama.attention.head_count_kv", 3); })),
            "m.gguf: llama.attention.head_count is 4, must be a multiple of head_count_kv (3)");
  EXPECT_EQ(ErrorOf(Make([](GgufBuilder& b) { b.SetU32("llama.rope.dimension_count", 8); })),
            "m.gguf: llama.rope.dimension_count is 8, must be key_length (16)");
  EXPECT_EQ(ErrorOf(Make([](GgufBuilder& b) { b.SetU32("llama.expert_count", 8); })),
            "m.gguf: llama.expert_count is 8, must be absent or 0");
  EXPECT_EQ(ErrorOf(Make([](GgufBuilder& b) { b.SetString("llama.rope.scaling.type", "ntk"); })),
            "m.gguf: llama.rope.scaling.type is \"ntk\", must be none, linear, yarn or longrope");
  const int32_t uneven[] = {4, 2};
  EXPECT_THAT(
      ErrorOf(Make([&](GgufBuilder& b) { b.SetInts("llama.attention.head_count_kv", uneven); })),
      HasSubstr("must be 2 equal integers"));
}

TEST(GgufConfig, IdsOutsideTheVocabularyAreNoted) {
  const Made made = Make([](GgufBuilder& b) {
    b.SetU32("tokenizer.ggml.bos_token_id", 1);
    b.SetU32("tokenizer.ggml.eos_token_id", 2);
    b.SetU32("tokenizer.ggml.eot_token_id", 3);
    b.SetU32("tokenizer.ggml.padding_token_id", 100);
    b.SetU32("tokenizer.ggml.eom_token_id", UINT32_MAX);
  });
  ASSERT_TRUE(made.config.ok()) << ErrorOf(made);
  EXPECT_THAT(made.config->bos_ids, ElementsAre(1));
  EXPECT_THAT(made.config->eos_ids, ElementsAre(2, 3));
  EXPECT_THAT(made.config->notes,
              ElementsAre(HasSubstr("padding_token_id is 100, not in the vocabulary of 100")));
}

}  // namespace
}  // namespace quarry
