#include "model/families/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace quarry {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

HfConfig Config(std::string_view architecture, const nlohmann::json& changes = {}) {
  nlohmann::json config = {
      {"architectures", {architecture}}, {"hidden_size", 64},        {"num_hidden_layers", 2},
      {"num_attention_heads", 4},        {"intermediate_size", 128}, {"vocab_size", 256},
      {"max_position_embeddings", 4096}, {"head_dim", 16},           {"num_key_value_heads", 2}};
  if (architecture.starts_with("ChatGLM")) {
    config = {{"architectures", {architecture}},
              {"hidden_size", 64},
              {"num_layers", 2},
              {"num_attention_heads", 4},
              {"ffn_hidden_size", 128},
              {"padded_vocab_size", 256},
              {"seq_length", 4096},
              {"multi_query_attention", true},
              {"multi_query_group_num", 2}};
  }
  if (!changes.is_null()) config.update(changes);
  Result<HfConfig> parsed = ParseHfConfig(config.dump(), "config.json");
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return parsed.ok() ? *parsed : HfConfig();
}

// Names of layer 1 and of no layer, without the common beginning.
std::vector<std::string> Names(const HfConfig& config) {
  std::vector<std::string> out;
  for (std::string name : TensorNames(NamesOf(config))) {
    for (std::string_view prefix : {"model.layers.1.", "transformer.encoder.layers.1."}) {
      if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    if (name.find("layers.0.") == std::string::npos) out.push_back(name);
  }
  return out;
}

const std::vector<std::string> kLlama = {
    "model.embed_tokens.weight", "model.norm.weight",       "lm_head.weight",
    "input_layernorm.weight",    "self_attn.q_proj.weight", "self_attn.k_proj.weight",
    "self_attn.v_proj.weight",   "self_attn.o_proj.weight", "post_attention_layernorm.weight",
    "mlp.gate_proj.weight",      "mlp.up_proj.weight",      "mlp.down_proj.weight"};

std::vector<std::string> LlamaWith(const std::vector<std::string>& more,
                                   const std::vector<std::string>& less = {}) {
  std::vector<std::string> names = kLlama;
  for (const std::string& name : less) std::erase(names, name);
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

const std::vector<std::string> kQkvBias = {"self_attn.q_proj.bias", "self_attn.k_proj.bias",
                                           "self_attn.v_proj.bias"};

TEST(Families, SeparateProjections) {
  for (const char* name :
       {"LlamaForCausalLM", "YiForCausalLM", "MistralForCausalLM", "MiniCPMForCausalLM"}) {
    EXPECT_THAT(Names(Config(name)), testing::UnorderedElementsAreArray(kLlama)) << name;
  }
  EXPECT_THAT(Names(Config("Qwen2ForCausalLM")),
              testing::UnorderedElementsAreArray(LlamaWith(kQkvBias)));
  EXPECT_THAT(Names(Config("Qwen3ForCausalLM")),
              testing::UnorderedElementsAreArray(
                  LlamaWith({"self_attn.q_norm.weight", "self_attn.k_norm.weight"})));
}

TEST(Families, BiasesAreSwitches) {
  std::vector<std::string> more = kQkvBias;
  more.emplace_back("self_attn.o_proj.bias");
  const nlohmann::json on = {{"attention_bias", true}};
  EXPECT_THAT(Names(Config("MiniCPMForCausalLM", on)),
              testing::UnorderedElementsAreArray(LlamaWith(more)));
  EXPECT_THAT(Names(Config("Qwen3ForCausalLM", on)), Contains("self_attn.o_proj.bias"));
  EXPECT_THAT(Names(Config("LlamaForCausalLM", on)),
              testing::UnorderedElementsAreArray(LlamaWith(more)));
  EXPECT_THAT(Names(Config("LlamaForCausalLM", {{"mlp_bias", true}})),
              testing::UnorderedElementsAreArray(
                  LlamaWith({"mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias"})));
}

TEST(Families, Phi3FusesBothProjections) {
  EXPECT_THAT(Names(Config("Phi3ForCausalLM")),
              testing::UnorderedElementsAreArray(LlamaWith(
                  {"self_attn.qkv_proj.weight", "mlp.gate_up_proj.weight"},
                  {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
                   "mlp.gate_proj.weight", "mlp.up_proj.weight"})));
}

TEST(Families, GlmFusesTheMlpAndGlm4NormsBranches) {
  const std::vector<std::string> apart = {"mlp.gate_proj.weight", "mlp.up_proj.weight"};
  std::vector<std::string> glm = kQkvBias;
  glm.emplace_back("mlp.gate_up_proj.weight");
  EXPECT_THAT(Names(Config("GlmForCausalLM")),
              testing::UnorderedElementsAreArray(LlamaWith(glm, apart)));
  EXPECT_THAT(Names(Config("Glm4ForCausalLM")),
              testing::UnorderedElementsAreArray(
                  LlamaWith({"mlp.gate_up_proj.weight", "post_self_attn_layernorm.weight",
                             "post_mlp_layernorm.weight"},
                            apart)));
}

TEST(Families, ChatGlmHasItsOwnNames) {
  for (const char* name : {"ChatGLMModel", "ChatGLMForConditionalGeneration"}) {
    EXPECT_THAT(Names(Config(name, {{"add_qkv_bias", true}})),
                UnorderedElementsAre(
                    "transformer.embedding.word_embeddings.weight",
                    "transformer.encoder.final_layernorm.weight", "transformer.output_layer.weight",
                    "input_layernorm.weight", "self_attention.query_key_value.weight",
                    "self_attention.query_key_value.bias", "self_attention.dense.weight",
                    "post_attention_layernorm.weight", "mlp.dense_h_to_4h.weight",
                    "mlp.dense_4h_to_h.weight"));
  }
  const std::vector<std::string> all = Names(Config("ChatGLMModel", {{"add_bias_linear", true}}));
  for (const char* bias : {"self_attention.query_key_value.bias", "self_attention.dense.bias",
                           "mlp.dense_h_to_4h.bias", "mlp.dense_4h_to_h.bias"}) {
    EXPECT_THAT(all, Contains(bias));
  }
}

TEST(Families, EveryLayerHasNamesOfItsOwn) {
  const ModelNames names = NamesOf(Config("Glm4ForCausalLM"));
  ASSERT_EQ(names.layers.size(), 2u);
  EXPECT_EQ(names.layers[0].mlp_norm, "model.layers.0.post_mlp_layernorm.weight");
  EXPECT_EQ(names.layers[1].gate_up, "model.layers.1.mlp.gate_up_proj.weight");
  EXPECT_THAT(names.layers[1].gate, IsEmpty());
}

TEST(Families, FrequenciesInTheFileAreIgnored) {
  EXPECT_TRUE(IsIgnoredTensor("transformer.rotary_pos_emb.inv_freq"));
  EXPECT_TRUE(IsIgnoredTensor("model.layers.3.self_attn.rotary_emb.inv_freq"));
  EXPECT_FALSE(IsIgnoredTensor("model.norm.weight"));
}

}  // namespace
}  // namespace quarry
