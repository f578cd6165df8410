// Llama 1 to 3, Yi, Vicuna, SmolLM; Mistral; Qwen2 and 2.5; MiniCPM: separate projections. They
// differ in biases, windows, scales and RoPE, all of which the configuration says.

#include <fmt/format.h>

#include "model/families/families.h"

namespace quarry {

ModelNames LlamaNames(const HfConfig& config) {
  ModelNames names = {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight", {}};
  for (int64_t i = 0; i < config.n_layers; ++i) {
    const auto name = [i](std::string_view part) {
      return fmt::format("model.layers.{}.{}", i, part);
    };
    LayerNames layer;
    layer.input_norm = name("input_layernorm.weight");
    layer.q = name("self_attn.q_proj.weight");
    layer.k = name("self_attn.k_proj.weight");
    layer.v = name("self_attn.v_proj.weight");
    layer.o = name("self_attn.o_proj.weight");
    // Before the MLP, in spite of its name.
    layer.mlp_input_norm = name("post_attention_layernorm.weight");
    layer.gate = name("mlp.gate_proj.weight");
    layer.up = name("mlp.up_proj.weight");
    layer.down = name("mlp.down_proj.weight");
    if (config.qkv_bias) {
      layer.q_bias = name("self_attn.q_proj.bias");
      layer.k_bias = name("self_attn.k_proj.bias");
      layer.v_bias = name("self_attn.v_proj.bias");
    }
    if (config.o_bias) layer.o_bias = name("self_attn.o_proj.bias");
    if (config.mlp_bias) {
      layer.gate_bias = name("mlp.gate_proj.bias");
      layer.up_bias = name("mlp.up_proj.bias");
      layer.down_bias = name("mlp.down_proj.bias");
    }
    names.layers.push_back(std::move(layer));
  }
  return names;
}

}  // namespace quarry
