// ChatGLM3 and GLM-4 with their own code: other names, fused projections.

#include <fmt/format.h>

#include "model/families/families.h"

namespace quarry {

ModelNames ChatGlmNames(const HfConfig& config) {
  ModelNames names = {"transformer.embedding.word_embeddings.weight",
                      "transformer.encoder.final_layernorm.weight",
                      "transformer.output_layer.weight",
                      {}};
  for (int64_t i = 0; i < config.n_layers; ++i) {
    const auto name = [i](std::string_view part) {
      return fmt::format("transformer.encoder.layers.{}.{}", i, part);
    };
    LayerNames layer;
    layer.input_norm = name("input_layernorm.weight");
    layer.qkv = name("self_attention.query_key_value.weight");
    layer.o = name("self_attention.dense.weight");
    layer.mlp_input_norm = name("post_attention_layernorm.weight");
    layer.gate_up = name("mlp.dense_h_to_4h.weight");
    layer.down = name("mlp.dense_4h_to_h.weight");
    if (config.qkv_bias) layer.qkv_bias = name("self_attention.query_key_value.bias");
    if (config.o_bias) layer.o_bias = name("self_attention.dense.bias");
    if (config.mlp_bias) {
      layer.gate_up_bias = name("mlp.dense_h_to_4h.bias");
      layer.down_bias = name("mlp.dense_4h_to_h.bias");
    }
    names.layers.push_back(std::move(layer));
  }
  return names;
}

}  // namespace quarry
