// Phi-3, Phi-3.5, Phi-4-mini: Llama's names with q, k and v in one tensor, gate and up in another.

#include <fmt/format.h>

#include "model/families/families.h"

namespace quarry {

ModelNames Phi3Names(const HfConfig& config) {
  ModelNames names = LlamaNames(config);
  for (size_t i = 0; i < names.layers.size(); ++i) {
    LayerNames& layer = names.layers[i];
    layer.q = layer.k = layer.v = "";
    layer.qkv = fmt::format("model.layers.{}.self_attn.qkv_proj.weight", i);
    layer.gate = layer.up = "";
    layer.gate_up = fmt::format("model.layers.{}.mlp.gate_up_proj.weight", i);
  }
  return names;
}

}  // namespace quarry
