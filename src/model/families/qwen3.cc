// Qwen3: Llama's names, and an RMSNorm over every head of q and k before RoPE.

#include <fmt/format.h>

#include "model/families/families.h"

namespace quarry {

ModelNames Qwen3Names(const HfConfig& config) {
  ModelNames names = LlamaNames(config);
  for (size_t i = 0; i < names.layers.size(); ++i) {
    names.layers[i].q_norm = fmt::format("model.layers.{}.self_attn.q_norm.weight", i);
    names.layers[i].k_norm = fmt::format("model.layers.{}.self_attn.k_norm.weight", i);
  }
  return names;
}

}  // namespace quarry
