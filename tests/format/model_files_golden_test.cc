// Real checkpoint layouts: the tiny one of every model family, and the bundled models.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "format/hf_config.h"
#include "format/safetensors.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

using testing::Each;
using testing::ElementsAre;

struct Row {
  std::string_view folder;
  std::string_view architecture;
  ModelFamily family;
  DType dtype;
  int64_t hidden, layers, heads, kv_heads, head_dim, vocab;
};

constexpr DType kF32 = DType::kF32;
constexpr DType kF16 = DType::kF16;
constexpr DType kBF16 = DType::kBF16;

// As the vectors' own table lists them.
const Row kRows[] = {
    {"llama_plain", "LlamaForCausalLM", ModelFamily::kLlama, kF16, 64, 2, 4, 4, 16, 288},
    {"llama_gqa_sharded", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 96, 2, 6, 2, 16, 256},
    {"llama_tied_mqa", "LlamaForCausalLM", ModelFamily::kLlama, kF32, 64, 2, 4, 1, 16, 256},
    {"llama_rope_llama3", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 64, 2, 4, 2, 16, 272},
    {"llama_rope_linear", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 64, 2, 4, 2, 16, 256},
    {"llama_rope_dynamic", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 64, 2, 4, 2, 16, 256},
    {"llama_rope_yarn", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 64, 2, 4, 2, 16, 256},
    {"llama_rope_yarn_v5", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 64, 2, 4, 2, 16, 256},
    {"llama_head_dim_bias", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 64, 2, 4, 2, 24, 259},
    {"yi", "LlamaForCausalLM", ModelFamily::kLlama, kBF16, 96, 2, 6, 2, 16, 256},
    {"mistral_window", "MistralForCausalLM", ModelFamily::kMistral, kBF16, 64, 3, 4, 2, 16, 256},
    {"mistral_head_dim", "MistralForCausalLM", ModelFamily::kMistral, kBF16, 64, 2, 4, 1, 32, 256},
    {"qwen2", "Qwen2ForCausalLM", ModelFamily::kQwen2, kBF16, 64, 2, 4, 2, 16, 288},
    {"qwen2_yarn", "Qwen2ForCausalLM", ModelFamily::kQwen2, kBF16, 64, 2, 4, 2, 16, 256},
    {"qwen2_window", "Qwen2ForCausalLM", ModelFamily::kQwen2, kBF16, 64, 3, 4, 2, 16, 256},
    {"qwen3", "Qwen3ForCausalLM", ModelFamily::kQwen3, kBF16, 64, 2, 4, 2, 32, 256},
    {"phi3_longrope", "Phi3ForCausalLM", ModelFamily::kPhi3, kBF16, 64, 2, 4, 4, 16, 256},
    {"phi3_partial_rotary", "Phi3ForCausalLM", ModelFamily::kPhi3, kBF16, 64, 2, 4, 2, 16, 256},
    {"phi3_window", "Phi3ForCausalLM", ModelFamily::kPhi3, kBF16, 64, 2, 4, 4, 16, 256},
    {"chatglm_glm4", "ChatGLMModel", ModelFamily::kChatGlm, kBF16, 96, 2, 4, 2, 24, 256},
    {"chatglm3", "ChatGLMForConditionalGeneration", ModelFamily::kChatGlm, kF16, 64, 2, 4, 2, 16,
     256},
    {"glm_hf", "GlmForCausalLM", ModelFamily::kGlm, kBF16, 96, 2, 4, 2, 24, 256},
    {"glm4_0414", "Glm4ForCausalLM", ModelFamily::kGlm4, kBF16, 64, 2, 4, 2, 16, 256},
    {"minicpm", "MiniCPMForCausalLM", ModelFamily::kMiniCpm, kBF16, 64, 2, 4, 4, 16, 256},
    {"minicpm4", "MiniCPMForCausalLM", ModelFamily::kMiniCpm, kBF16, 64, 3, 4, 2, 16, 256},
};

class ModelFiles : public testing::Test {
 protected:
  void SetUp() override {
    const auto one = GoldenOutside("models/yi");
    if (!one) GTEST_SKIP() << NoGoldenOutside("models/yi");
    models_ = one->parent_path();
  }
  HfConfig Config(std::string_view folder) const {
    const auto config = LoadHfConfig(models_ / folder);
    EXPECT_TRUE(config.ok()) << config.status().message();
    return config.ok() ? *config : HfConfig();
  }
  std::filesystem::path models_;
};

TEST_F(ModelFiles, ConfigsOfEveryFamily) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.folder);
    const HfConfig c = Config(row.folder);
    EXPECT_EQ(c.architecture, row.architecture);
    EXPECT_EQ(c.family, row.family);
    EXPECT_EQ(c.hidden_size, row.hidden);
    EXPECT_EQ(c.n_layers, row.layers);
    EXPECT_EQ(c.n_heads, row.heads);
    EXPECT_EQ(c.n_kv_heads, row.kv_heads);
    EXPECT_EQ(c.head_dim, row.head_dim);
    EXPECT_EQ(c.vocab_size, row.vocab);
    EXPECT_THAT(c.notes, testing::IsEmpty());
  }
}

TEST_F(ModelFiles, TensorsOfEveryFamily) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.folder);
    const auto checkpoint = Checkpoint::Open(models_ / row.folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    EXPECT_EQ(checkpoint->n_shards(), row.folder == "llama_gqa_sharded" ? 3u : 1u);
    for (const std::string& name : checkpoint->names()) {
      const auto view = checkpoint->Find(name);
      ASSERT_TRUE(view.ok()) << view.status().message();
      EXPECT_EQ(view->dtype, row.dtype) << name;
    }
    const bool chatglm = row.family == ModelFamily::kChatGlm;
    const auto embedding = checkpoint->Find(chatglm ? "transformer.embedding.word_embeddings.weight"
                                                    : "model.embed_tokens.weight");
    ASSERT_TRUE(embedding.ok()) << embedding.status().message();
    EXPECT_THAT(embedding->shape, ElementsAre(row.vocab, row.hidden));
    const auto output =
        checkpoint->Find(chatglm ? "transformer.encoder.layers.0.self_attention.dense.weight"
                                 : "model.layers.0.self_attn.o_proj.weight");
    ASSERT_TRUE(output.ok()) << output.status().message();
    EXPECT_THAT(output->shape, ElementsAre(row.hidden, row.heads * row.head_dim));
  }
}

TEST_F(ModelFiles, RopeOfEveryKind) {
  RopeSpec r = Config("llama_rope_llama3").rope;
  EXPECT_EQ(r.kind, RopeKind::kLlama3);
  EXPECT_EQ(r.base, 500);
  EXPECT_EQ(r.factor, 8);
  EXPECT_EQ(r.original_max_positions, 160);
  EXPECT_EQ(Config("llama_rope_linear").rope.factor, 4);
  r = Config("llama_rope_dynamic").rope;
  EXPECT_EQ(r.kind, RopeKind::kDynamic);
  EXPECT_EQ(r.max_positions, 160);
  r = Config("llama_rope_yarn").rope;
  EXPECT_EQ(r.kind, RopeKind::kYarn);
  EXPECT_DOUBLE_EQ(r.magnitude, 0.1 * std::log(4.0) + 1);
  r = Config("llama_rope_yarn_v5").rope;
  EXPECT_EQ(r.base, 20000);
  EXPECT_EQ(r.magnitude, 1.25);
  EXPECT_EQ(r.beta_fast, 4);
  r = Config("qwen2_yarn").rope;
  EXPECT_EQ(r.factor, 4);
  EXPECT_EQ(r.original_max_positions, 160);
  r = Config("phi3_longrope").rope;
  EXPECT_EQ(r.kind, RopeKind::kLongRope);
  EXPECT_EQ(r.original_max_positions, 160);
  EXPECT_DOUBLE_EQ(r.magnitude, std::sqrt(1 + std::log(4.0) / std::log(160.0)));
  r = Config("phi3_partial_rotary").rope;
  EXPECT_EQ(r.rotated_dims, 12);
  EXPECT_EQ(r.long_factor.size(), 6u);
  r = Config("minicpm4").rope;
  EXPECT_EQ(r.kind, RopeKind::kLongRope);
  EXPECT_EQ(r.magnitude, 1);
  r = Config("chatglm_glm4").rope;
  EXPECT_EQ(r.base, 5e6);
  EXPECT_EQ(r.rotated_dims, 12);
  EXPECT_TRUE(r.adjacent_pairs);
  EXPECT_EQ(Config("chatglm3").rope.base, 10000);
  r = Config("glm_hf").rope;
  EXPECT_EQ(r.base, 5e6);
  EXPECT_EQ(r.rotated_dims, 12);
  EXPECT_TRUE(r.adjacent_pairs);
  EXPECT_TRUE(Config("glm4_0414").rope.adjacent_pairs);
  EXPECT_EQ(Config("yi").rope.base, 5e6);
}

TEST_F(ModelFiles, SwitchesOfTheFamilies) {
  EXPECT_THAT(Config("mistral_window").windows, ElementsAre(24, 24, 24));
  EXPECT_THAT(Config("mistral_head_dim").windows, Each(0));
  EXPECT_THAT(Config("qwen2").windows, Each(0));
  EXPECT_THAT(Config("qwen2_window").windows, ElementsAre(0, 24, 24));
  EXPECT_THAT(Config("phi3_window").windows, ElementsAre(24, 24));
  EXPECT_THAT(Config("phi3_longrope").windows, Each(262144));

  const HfConfig bias = Config("llama_head_dim_bias");
  EXPECT_TRUE(bias.qkv_bias && bias.o_bias && bias.mlp_bias);
  EXPECT_TRUE(Config("qwen2").qkv_bias);
  EXPECT_FALSE(Config("qwen2").o_bias);
  EXPECT_TRUE(Config("chatglm_glm4").qkv_bias);
  EXPECT_FALSE(Config("chatglm_glm4").mlp_bias);
  EXPECT_TRUE(Config("glm_hf").qkv_bias);
  EXPECT_FALSE(Config("glm4_0414").qkv_bias);

  EXPECT_TRUE(Config("minicpm").tie_word_embeddings);
  EXPECT_FALSE(Config("minicpm4").tie_word_embeddings);
  EXPECT_TRUE(Config("llama_tied_mqa").tie_word_embeddings);
  EXPECT_FALSE(Config("llama_plain").tie_word_embeddings);

  const HfConfig minicpm = Config("minicpm");
  EXPECT_EQ(minicpm.embedding_scale, 3);
  EXPECT_DOUBLE_EQ(minicpm.residual_scale, 1.1 / std::sqrt(2.0));
  EXPECT_EQ(minicpm.logit_divisor, 4);
  EXPECT_EQ(Config("llama_gqa_sharded").rms_norm_eps, 0.01);
  EXPECT_EQ(Config("chatglm_glm4").rms_norm_eps, 1.5625e-7);

  EXPECT_THAT(Config("llama_rope_llama3").eos_ids, ElementsAre(250, 252, 253));
  EXPECT_THAT(Config("llama_rope_llama3").bos_ids, ElementsAre(249));
  EXPECT_THAT(Config("chatglm_glm4").pad_ids, ElementsAre(250));
  EXPECT_THAT(Config("chatglm_glm4").bos_ids, testing::IsEmpty());
}

// A config that is cut off anywhere is refused in one line.
TEST_F(ModelFiles, ConfigsCutAnywhere) {
  for (const char* folder : {"phi3_longrope", "chatglm3", "llama_rope_yarn_v5"}) {
    const auto text = ReadFile(models_ / folder / "config.json", 1 << 20);
    ASSERT_TRUE(text.ok());
    const size_t end = text->find_last_of('}');
    for (size_t n = 0; n < end; ++n) {
      const Status s = ParseHfConfig(text->substr(0, n), "c").status();
      ASSERT_FALSE(s.ok()) << n;
      ASSERT_EQ(s.message().find('\n'), std::string::npos);
    }
  }
}

// Every byte of a real header changed to a few others: refused, or still inside the file.
TEST_F(ModelFiles, HeadersWithChangedBytes) {
  const auto text = ReadFile(models_ / "llama_tied_mqa" / "model.safetensors", 1 << 20);
  ASSERT_TRUE(text.ok());
  const size_t header =
      8 + static_cast<unsigned char>((*text)[0]) + 256 * static_cast<unsigned char>((*text)[1]);
  for (size_t i = 0; i < header; ++i) {
    for (char c : {'\0', '"', '9', '}', '\xff'}) {
      std::string changed = *text;
      changed[i] = c;
      const auto file =
          SafetensorsFile::FromBytes(std::as_bytes(std::span(changed.data(), changed.size())), "f");
      if (!file.ok()) continue;
      for (const TensorInfo& t : file->tensors()) {
        const auto view = file->Find(t.name);
        if (!view.ok()) continue;
        ASSERT_GE(view->data.data(), reinterpret_cast<const std::byte*>(changed.data()));
        ASSERT_LE(view->data.data() + view->data.size(),
                  reinterpret_cast<const std::byte*>(changed.data() + changed.size()));
      }
    }
  }
}

class BundledModel : public testing::TestWithParam<const char*> {};

TEST_P(BundledModel, Loads) {
  const std::filesystem::path folder = SourcePath("models") / GetParam();
  const auto config = LoadHfConfig(folder);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->family, ModelFamily::kLlama);
  EXPECT_EQ(config->hidden_size, 256);
  EXPECT_EQ(config->n_layers, 6);
  EXPECT_EQ(config->n_kv_heads, 2);
  EXPECT_EQ(config->head_dim, 64);
  EXPECT_TRUE(config->tie_word_embeddings);
  EXPECT_THAT(config->eos_ids, ElementsAre(2));

  const auto generation = LoadGenerationConfig(folder);
  ASSERT_TRUE(generation.ok()) << generation.status().message();
  EXPECT_THAT(generation->eos_ids, ElementsAre(0, 2));
  EXPECT_EQ(generation->do_sample, false);

  const auto checkpoint = Checkpoint::Open(folder);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  EXPECT_EQ(checkpoint->names().size(), 6u * 9 + 2);
  EXPECT_THAT(checkpoint->Find("model.embed_tokens.weight")->shape,
              ElementsAre(config->vocab_size, config->hidden_size));
  EXPECT_FALSE(checkpoint->Contains("lm_head.weight"));
}

INSTANTIATE_TEST_SUITE_P(All, BundledModel, testing::Values("needle-5m", "needle-5m-8k"));

}  // namespace
}  // namespace quarry
