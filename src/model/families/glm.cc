// GLM-4 in the layout of transformers, and GLM-4-0414: Llama's names with gate and up in one
// tensor; the latter normalises the output of both branches before it is added.

#include <fmt/format.h>

#include "model/families/families.h"

namespace quarry {

ModelNames GlmNames(const HfConfig& config) {
  ModelNames names = LlamaNames(config);
  for (size_t i = 0; i < names.layers.size(); ++i) {
    LayerNames& layer = names.layers[i];
    layer.gate = layer.up = "";
    layer.gate_up = fmt::format("model.layers.{}.mlp.gate_up_proj.weight", i);
  }
  return names;
}

ModelNames Glm4Names(const HfConfig& config) {
  ModelNames names = GlmNames(config);
  for (size_t i = 0; i < names.layers.size(); ++i) {
    LayerNames& layer = names.layers[i];
    layer.attention_norm = fmt::format("model.layers.{}.post_self_attn_layernorm.weight", i);
    layer.mlp_norm = fmt::format("model.layers.{}.post_mlp_layernorm.weight", i);
  }
  return names;
}

}  // namespace quarry
