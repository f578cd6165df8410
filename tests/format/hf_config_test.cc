#include "format/hf_config.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The keys no family can do without.
json Minimal(std::string_view architecture) {
  return {{"architectures", {architecture}}, {"hidden_size", 64},        {"num_hidden_layers", 3},
          {"num_attention_heads", 4},        {"intermediate_size", 128}, {"vocab_size", 256},
          {"max_position_embeddings", 4096}};
}

json MinimalChatGlm() {
  return {{"architectures", {"ChatGLMModel"}},
          {"hidden_size", 64},
          {"num_layers", 3},
          {"num_attention_heads", 4},
          {"ffn_hidden_size", 128},
          {"padded_vocab_size", 256},
          {"seq_length", 4096},
          {"multi_query_attention", true},
          {"multi_query_group_num", 2}};
}

json With(json config, const json& changes) {
  config.update(changes);
  return config;
}

HfConfig Parsed(const json& config) {
  Result<HfConfig> parsed = ParseHfConfig(config.dump(), "config.json");
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return parsed.ok() ? *parsed : HfConfig();
}

Status Error(const json& config) { return ParseHfConfig(config.dump(), "config.json").status(); }

TEST(HfConfig, DefaultsOfEveryFamily) {
  struct Row {
    std::string_view architecture;
    ModelFamily family;
    double eps;
    bool tied, qkv_bias;
    int64_t rotated_dims;
    bool adjacent;
    int64_t window;
  };
  // 4 heads of 16.
  const Row rows[] = {
      {"LlamaForCausalLM", ModelFamily::kLlama, 1e-6, false, false, 16, false, 0},
      {"LLaMAForCausalLM", ModelFamily::kLlama, 1e-6, false, false, 16, false, 0},
      {"YiForCausalLM", ModelFamily::kLlama, 1e-6, false, false, 16, false, 0},
      {"Qwen2ForCausalLM", ModelFamily::kQwen2, 1e-6, false, true, 16, false, 0},
      {"Phi3ForCausalLM", ModelFamily::kPhi3, 1e-5, false, false, 16, false, 0},
      {"GlmForCausalLM", ModelFamily::kGlm, 1.5625e-7, false, true, 8, true, 0},
      {"Glm4ForCausalLM", ModelFamily::kGlm4, 1.5625e-7, false, false, 8, true, 0},
      {"MiniCPMForCausalLM", ModelFamily::kMiniCpm, 1e-6, true, false, 16, false, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.architecture);
    const HfConfig c = Parsed(Minimal(row.architecture));
    EXPECT_EQ(c.family, row.family);
    EXPECT_EQ(c.architecture, row.architecture);
    EXPECT_EQ(c.n_layers, 3);
    EXPECT_EQ(c.n_heads, 4);
    EXPECT_EQ(c.n_kv_heads, 4);
    EXPECT_EQ(c.head_dim, 16);
    EXPECT_EQ(c.rms_norm_eps, row.eps);
    EXPECT_EQ(c.tie_word_embeddings, row.tied);
    EXPECT_EQ(c.qkv_bias, row.qkv_bias);
    EXPECT_FALSE(c.o_bias);
    EXPECT_FALSE(c.mlp_bias);
    EXPECT_THAT(c.windows, ElementsAre(row.window, row.window, row.window));
    EXPECT_EQ(c.rope.kind, RopeKind::kDefault);
    EXPECT_EQ(c.rope.base, 10000);
    EXPECT_EQ(c.rope.rotated_dims, row.rotated_dims);
    EXPECT_EQ(c.rope.adjacent_pairs, row.adjacent);
    EXPECT_EQ(c.rope.magnitude, 1);
    EXPECT_THAT(c.bos_ids, IsEmpty());
    EXPECT_THAT(c.notes, IsEmpty());
  }
}

TEST(HfConfig, MistralsClassHasDefaultsOfItsOwn) {
  const json m = With(Minimal("MistralForCausalLM"), {{"num_attention_heads", 16}});
  EXPECT_EQ(Parsed(m).n_kv_heads, 8);
  EXPECT_THAT(Parsed(m).windows, Each(4096));
  EXPECT_EQ(Parsed(With(m, {{"num_key_value_heads", nullptr}})).n_kv_heads, 16);
  EXPECT_THAT(Parsed(With(m, {{"sliding_window", nullptr}})).windows, Each(0));
  EXPECT_THAT(Parsed(With(m, {{"sliding_window", 24}})).windows, ElementsAre(24, 24, 24));
}

TEST(HfConfig, AttentionOfAFileIsNoted) {
  const json q = With(Minimal("Qwen2ForCausalLM"),
                      {{"dual_chunk_attention_config", {{"chunk_size", 262144}}}});
  EXPECT_THAT(Parsed(q).notes, ElementsAre("config.json: dual_chunk_attention_config: not used, "
                                           "attention is what the run asks for"));
}

TEST(HfConfig, HeadDimensions) {
  EXPECT_EQ(Parsed(Minimal("Qwen3ForCausalLM")).head_dim, 128);
  EXPECT_EQ(Parsed(With(Minimal("LlamaForCausalLM"), {{"head_dim", nullptr}})).head_dim, 16);
  const HfConfig c = Parsed(With(Minimal("LlamaForCausalLM"), {{"head_dim", 24}}));
  EXPECT_EQ(c.head_dim, 24);
  EXPECT_EQ(c.rope.rotated_dims, 24);
  EXPECT_EQ(Parsed(With(Minimal("LlamaForCausalLM"), {{"num_key_value_heads", 2}})).n_kv_heads, 2);
}

TEST(HfConfig, Biases) {
  const json on = {{"attention_bias", true}, {"mlp_bias", true}};
  const auto flags = [&](std::string_view architecture) {
    const HfConfig c = Parsed(With(Minimal(architecture), on));
    return std::vector<bool>{c.qkv_bias, c.o_bias, c.mlp_bias};
  };
  EXPECT_THAT(flags("LlamaForCausalLM"), ElementsAre(true, true, true));
  EXPECT_THAT(flags("Qwen3ForCausalLM"), ElementsAre(true, true, false));
  EXPECT_THAT(flags("MiniCPMForCausalLM"), ElementsAre(true, true, false));
  EXPECT_THAT(flags("GlmForCausalLM"), ElementsAre(true, false, false));
  EXPECT_THAT(flags("Glm4ForCausalLM"), ElementsAre(true, false, false));
  EXPECT_THAT(flags("Phi3ForCausalLM"), ElementsAre(false, false, false));
  EXPECT_FALSE(Parsed(With(Minimal("GlmForCausalLM"), {{"attention_bias", false}})).qkv_bias);
}

TEST(HfConfig, ChatGlmSpeaksItsOwnKeys) {
  HfConfig c = Parsed(MinimalChatGlm());
  EXPECT_EQ(c.family, ModelFamily::kChatGlm);
  EXPECT_EQ(c.n_layers, 3);
  EXPECT_EQ(c.n_kv_heads, 2);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.intermediate_size, 128);
  EXPECT_EQ(c.vocab_size, 256);
  EXPECT_EQ(c.max_position_embeddings, 4096);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
  EXPECT_EQ(c.rope.base, 10000);
  EXPECT_EQ(c.rope.rotated_dims, 8);
  EXPECT_TRUE(c.rope.adjacent_pairs);
  EXPECT_FALSE(c.qkv_bias);

  c = Parsed(With(MinimalChatGlm(), {{"kv_channels", 32},
                                     {"layernorm_epsilon", 1.5625e-7},
                                     {"rope_ratio", 500},
                                     {"add_qkv_bias", true},
                                     {"rope_theta", 77}}));
  EXPECT_EQ(c.head_dim, 32);
  EXPECT_EQ(c.rms_norm_eps, 1.5625e-7);
  EXPECT_EQ(c.rope.base, 5e6);
  EXPECT_TRUE(c.qkv_bias);
  EXPECT_FALSE(c.o_bias);

  c = Parsed(With(MinimalChatGlm(), {{"add_bias_linear", true}}));
  EXPECT_TRUE(c.qkv_bias && c.o_bias && c.mlp_bias);

  struct Row {
    json change;
    std::string_view message;
  };
  for (const Row& row : {
           Row{{{"rmsnorm", false}}, "rmsnorm is false, must be true"},
           Row{{{"post_layer_norm", false}}, "post_layer_norm is false, must be true"},
           Row{{{"apply_residual_connection_post_layernorm", true}}, "is true, must be false"},
           Row{{{"original_rope", false}}, "original_rope is false, must be true"},
           Row{{{"multi_query_attention", false}}, "multi_query_attention is false, must be true"},
           Row{{{"multi_query_attention", nullptr}}, "multi_query_attention is null, must be true"},
       }) {
    const Status s = Error(With(MinimalChatGlm(), row.change));
    EXPECT_EQ(s.code(), StatusCode::kUnsupported);
    EXPECT_THAT(s.message(), HasSubstr(row.message));
  }
  json none = MinimalChatGlm();
  none.erase("multi_query_attention");
  EXPECT_EQ(Error(none).message(), "config.json: multi_query_attention is missing, must be true");
}

TEST(HfConfig, MiniCpmScales) {
  HfConfig c = Parsed(Minimal("MiniCPMForCausalLM"));
  EXPECT_EQ(c.embedding_scale, 1);
  EXPECT_DOUBLE_EQ(c.residual_scale, 1 / std::sqrt(3.0));
  EXPECT_EQ(c.logit_divisor, 64);
  c = Parsed(With(Minimal("MiniCPMForCausalLM"), {{"scale_emb", 12},
                                                  {"scale_depth", 1.4},
                                                  {"dim_model_base", 16},
                                                  {"sparse_config", {{"topk", 64}}}}));
  EXPECT_EQ(c.embedding_scale, 12);
  EXPECT_DOUBLE_EQ(c.residual_scale, 1.4 / std::sqrt(3.0));
  EXPECT_EQ(c.logit_divisor, 4);
  EXPECT_THAT(c.notes, ElementsAre(HasSubstr("sparse_config")));
  // Elsewhere these keys mean nothing.
  EXPECT_EQ(Parsed(With(Minimal("LlamaForCausalLM"), {{"scale_emb", 12}})).embedding_scale, 1);
}

TEST(HfConfig, QwenWindows) {
  for (std::string_view architecture : {"Qwen2ForCausalLM", "Qwen3ForCausalLM"}) {
    const json base = Minimal(architecture);
    EXPECT_THAT(Parsed(With(base, {{"sliding_window", 16}})).windows, Each(0)) << "off";
    const json on = With(base, {{"sliding_window", 16}, {"use_sliding_window", true}});
    EXPECT_THAT(Parsed(on).windows, Each(0)) << "from layer 28 on";
    EXPECT_THAT(Parsed(With(on, {{"max_window_layers", 1}})).windows, ElementsAre(0, 16, 16));
    EXPECT_THAT(Parsed(With(on, {{"layer_types",
                                  {"sliding_attention", "full_attention", "sliding_attention"}},
                                 {"max_window_layers", 1}}))
                    .windows,
                ElementsAre(16, 0, 16));
    EXPECT_THAT(Parsed(With(on, {{"sliding_window", nullptr}, {"max_window_layers", 0}})).windows,
                Each(0));
  }
  const json on = With(Minimal("Qwen2ForCausalLM"), {{"use_sliding_window", true}});
  EXPECT_THAT(Error(With(on, {{"layer_types", {"full_attention"}}})).message(),
              HasSubstr("layer_types has 1 entries, must have num_hidden_layers (3)"));
  EXPECT_THAT(Error(With(on, {{"layer_types", {"full_attention", "linear", "x"}}})).message(),
              HasSubstr("layer_types[1] is \"linear\", must be full_attention or"));
  EXPECT_THAT(Parsed(With(Minimal("LlamaForCausalLM"), {{"sliding_window", 16}})).windows, Each(0));
  EXPECT_THAT(Parsed(With(Minimal("Phi3ForCausalLM"), {{"sliding_window", 16}})).windows, Each(16));
}

TEST(HfConfig, TokenIds) {
  const HfConfig c =
      Parsed(With(Minimal("LlamaForCausalLM"),
                  {{"bos_token_id", 1}, {"eos_token_id", {2, 255, 256}}, {"pad_token_id", -1}}));
  EXPECT_THAT(c.bos_ids, ElementsAre(1));
  EXPECT_THAT(c.eos_ids, ElementsAre(2, 255));
  EXPECT_THAT(c.pad_ids, IsEmpty());
  EXPECT_THAT(c.notes, ElementsAre("config.json: eos_token_id contains 256, not in the vocabulary "
                                   "of 256, left out"));
  EXPECT_THAT(Parsed(With(Minimal("LlamaForCausalLM"), {{"eos_token_id", nullptr}})).eos_ids,
              IsEmpty());
}

TEST(HfConfig, NamesWhatIsWrong) {
  struct Row {
    json change;
    std::string_view message;
  };
  const Row rows[] = {
      {{{"num_hidden_layers", "six"}},
       "config.json: num_hidden_layers is \"six\", must be an integer between 1 and 10000"},
      {{{"num_hidden_layers", 100000000}},
       "num_hidden_layers is 100000000, must be an integer between 1 and 10000"},
      {{{"hidden_size", 0}}, "hidden_size is 0, must be an integer between 1 and 262144"},
      {{{"hidden_size", nullptr}}, "hidden_size is null, must be an integer"},
      {{{"hidden_size", 66}},
       "hidden_size is 66, without head_dim it must be num_attention_heads (4) times at most 4096"},
      {{{"num_attention_heads", -4}}, "num_attention_heads is -4, must be an integer between 1"},
      {{{"num_key_value_heads", 3}},
       "num_attention_heads is 4, must be a multiple of num_key_value_heads (3)"},
      {{{"num_key_value_heads", 8}},
       "num_key_value_heads is 8, must be an integer between 1 and 4"},
      {{{"num_key_value_heads", 0}},
       "num_key_value_heads is 0, must be an integer between 1 and 4"},
      {{{"head_dim", 15}}, "1 of head_dim 15 rotate 15 dimensions, must be even and at least 2"},
      {{{"head_dim", 1e9}}, "head_dim is 1000000000.0, must be an integer between 1 and 4096"},
      {{{"intermediate_size", 1e15}}, "intermediate_size is "},
      {{{"vocab_size", 1 << 30}}, "vocab_size is 1073741824, must be an integer between 1 and"},
      {{{"max_position_embeddings", 0}}, "max_position_embeddings is 0"},
      {{{"rms_norm_eps", 0}}, "rms_norm_eps is 0, must be a number between 1e-12 and 1"},
      {{{"tie_word_embeddings", 1}}, "tie_word_embeddings is 1, must be true or false"},
      {{{"hidden_act", "gelu"}}, "hidden_act is \"gelu\", must be silu"},
      {{{"hidden_act", 3}}, "hidden_act is 3, must be a string"},
      {{{"quantization_config", {{"bits", 4}}}}, "quantization_config is set, must be absent"},
      {{{"num_experts", 8}}, "num_experts is 8, must be absent or 0"},
      {{{"bos_token_id", "x"}}, "bos_token_id is \"x\", must be an integer between -1 and"},
      {{{"bos_token_id", 1e10}}, "bos_token_id is "},
      {{{"architectures", {"GPT2LMHeadModel"}}},
       "config.json: architectures[0] is \"GPT2LMHeadModel\", must be one of LlamaForCausalLM, "},
      {{{"architectures", json::array()}},
       "config.json: architectures is missing, must name one of LlamaForCausalLM, "},
      {{{"architectures", "LlamaForCausalLM"}}, "architectures is \"LlamaForCausalLM\", must be a"},
      {{{"rope_theta", 0}}, "rope_theta is 0, must be a number between 1.0001 and 1e+18"},
      {{{"partial_rotary_factor", 0.5}},
       "partial_rotary_factor is 0.5, must be 1 for LlamaForCausalLM"},
  };
  for (const Row& row : rows) {
    const Status s = Error(With(Minimal("LlamaForCausalLM"), row.change));
    EXPECT_THAT(s.message(), HasSubstr(row.message)) << row.change;
    EXPECT_EQ(s.message().find('\n'), std::string::npos);
  }
  for (const char* key :
       {"architectures", "hidden_size", "num_hidden_layers", "num_attention_heads",
        "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    json config = Minimal("LlamaForCausalLM");
    config.erase(key);
    EXPECT_THAT(Error(config).message(), HasSubstr(std::string(key) + " is missing"));
  }
  EXPECT_EQ(Error(With(Minimal("LlamaForCausalLM"), {{"architectures", {"X"}}})).code(),
            StatusCode::kUnsupported);
  EXPECT_THAT(Error(json::array()).message(), HasSubstr("is a list, must be an object"));
}

TEST(HfConfig, LoadsFromAFolderOrAFile) {
  TempDir dir;
  const std::string text = Minimal("LlamaForCausalLM").dump();
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "config.json", text).ok());
  EXPECT_TRUE(LoadHfConfig(dir.path()).ok());
  EXPECT_TRUE(LoadHfConfig(dir.path() / "config.json").ok());
  EXPECT_EQ(LoadHfConfig(dir.path() / "none").status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "config.json", "{").ok());
  EXPECT_THAT(LoadHfConfig(dir.path()).status().message(),
              HasSubstr((dir.path() / "config.json").string() + ":1:2: not valid JSON"));
}

// Every prefix of a valid file is refused.
TEST(HfConfig, TruncatedAtEveryByte) {
  const std::string text = Minimal("Phi3ForCausalLM").dump();
  for (size_t n = 0; n < text.size(); ++n) {
    EXPECT_FALSE(ParseHfConfig(text.substr(0, n), "c").ok()) << n;
  }
}

TEST(GenerationConfig, ReadsWhatIsThere) {
  const auto c = ParseGenerationConfig(
      R"({"bos_token_id": 0, "eos_token_id": [0, 2], "pad_token_id": null, "do_sample": true,
          "temperature": 0.6, "top_k": 50, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1,
          "max_new_tokens": 512, "transformers_version": "5.0", "anything": [1]})",
      "g");
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_THAT(c->bos_ids, ElementsAre(0));
  EXPECT_THAT(c->eos_ids, ElementsAre(0, 2));
  EXPECT_THAT(c->pad_ids, IsEmpty());
  EXPECT_EQ(c->do_sample, true);
  EXPECT_EQ(c->temperature, 0.6);
  EXPECT_EQ(c->top_k, 50);
  EXPECT_EQ(c->top_p, 0.9);
  EXPECT_EQ(c->min_p, 0.05);
  EXPECT_EQ(c->repetition_penalty, 1.1);
  EXPECT_EQ(c->max_new_tokens, 512);

  const auto none = ParseGenerationConfig(R"({"top_k": 0})", "g");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->do_sample, std::nullopt);
  EXPECT_EQ(none->top_k, std::nullopt);
}

TEST(GenerationConfig, NamesWhatIsWrong) {
  const auto error = [](std::string_view text) {
    return ParseGenerationConfig(text, "g").status().message();
  };
  EXPECT_EQ(error(R"({"temperature": -1})"),
            "g: temperature is -1, must be a number between 0 and 100");
  EXPECT_EQ(error(R"({"top_p": "x"})"), "g: top_p is \"x\", must be a number between 0 and 1");
  EXPECT_EQ(error(R"({"top_k": 1.5})"),
            "g: top_k is 1.5, must be an integer between -1 and 2147483647");
  EXPECT_EQ(error(R"({"do_sample": 1})"), "g: do_sample is 1, must be true or false");
  EXPECT_THAT(error(R"({"eos_token_id": {}})"), HasSubstr("eos_token_id is an object"));
}

}  // namespace
}  // namespace quarry
