// The names of llama.cpp's converters: one set for all families.

#include <fmt/format.h>

#include "model/families/families.h"

namespace quarry {

ModelNames GgufNames(const HfConfig& config, FunctionRef<bool(std::string_view)> contains) {
  ModelNames names = {"token_embd.weight", "output_norm.weight", "output.weight", {}};
  const ModelNames family = NamesOf(config);
  for (int64_t i = 0; i < config.n_layers; ++i) {
    const auto name = [i](std::string_view part) { return fmt::format("blk.{}.{}", i, part); };
    // What the family has decides which names are filled in.
    const LayerNames& has = family.layers[static_cast<size_t>(i)];
    LayerNames layer;
    layer.input_norm = name("attn_norm.weight");
    if (contains(name("attn_qkv.weight"))) {
      layer.qkv = name("attn_qkv.weight");
      if (config.qkv_bias) layer.qkv_bias = name("attn_qkv.bias");
    } else {
      layer.q = name("attn_q.weight");
      layer.k = name("attn_k.weight");
      layer.v = name("attn_v.weight");
      if (config.qkv_bias) {
        layer.q_bias = name("attn_q.bias");
        layer.k_bias = name("attn_k.bias");
        layer.v_bias = name("attn_v.bias");
      }
    }
    if (!has.q_norm.empty()) layer.q_norm = name("attn_q_norm.weight");
    if (!has.k_norm.empty()) layer.k_norm = name("attn_k_norm.weight");
    layer.o = name("attn_output.weight");
    if (config.o_bias) layer.o_bias = name("attn_output.bias");
    if (!has.attention_norm.empty()) layer.attention_norm = name("post_attention_norm.weight");
    layer.mlp_input_norm = name("ffn_norm.weight");
    if (has.gate_up.empty()) {
      layer.gate = name("ffn_gate.weight");
      layer.up = name("ffn_up.weight");
      if (config.mlp_bias) {
        layer.gate_bias = name("ffn_gate.bias");
        layer.up_bias = name("ffn_up.bias");
      }
    } else {
      layer.gate_up = name("ffn_up.weight");
      if (config.mlp_bias) layer.gate_up_bias = name("ffn_up.bias");
    }
    layer.down = name("ffn_down.weight");
    if (config.mlp_bias) layer.down_bias = name("ffn_down.bias");
    if (!has.mlp_norm.empty()) layer.mlp_norm = name("post_ffw_norm.weight");
    names.layers.push_back(std::move(layer));
  }
  return names;
}

}  // namespace quarry
