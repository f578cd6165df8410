#include "model/families/families.h"

namespace quarry {

ModelNames NamesOf(const HfConfig& config) {
  switch (config.family) {
    case ModelFamily::kLlama:
    case ModelFamily::kMistral:
    case ModelFamily::kQwen2:
    case ModelFamily::kMiniCpm:
      return LlamaNames(config);
    case ModelFamily::kQwen3:
      return Qwen3Names(config);
    case ModelFamily::kPhi3:
      return Phi3Names(config);
    case ModelFamily::kGlm:
      return GlmNames(config);
    case ModelFamily::kGlm4:
      return Glm4Names(config);
    case ModelFamily::kChatGlm:
      return ChatGlmNames(config);
  }
  return {};
}

std::vector<std::string> TensorNames(const ModelNames& names) {
  using L = LayerNames;
  constexpr std::string L::*kFields[] = {&L::input_norm,
                                         &L::q,
                                         &L::k,
                                         &L::v,
                                         &L::q_bias,
                                         &L::k_bias,
                                         &L::v_bias,
                                         &L::qkv,
                                         &L::qkv_bias,
                                         &L::q_norm,
                                         &L::k_norm,
                                         &L::o,
                                         &L::o_bias,
                                         &L::gate,
                                         &L::up,
                                         &L::down,
                                         &L::attention_norm,
                                         &L::mlp_input_norm,
                                         &L::gate_bias,
                                         &L::up_bias,
                                         &L::gate_up,
                                         &L::gate_up_bias,
                                         &L::down_bias,
                                         &L::mlp_norm};
  std::vector<std::string> all = {names.embeddings, names.final_norm, names.lm_head};
  for (const LayerNames& layer : names.layers) {
    for (const auto field : kFields) {
      if (!(layer.*field).empty()) all.push_back(layer.*field);
    }
  }
  return all;
}

bool IsIgnoredTensor(std::string_view name) {
  return name.ends_with(".inv_freq") || name.starts_with("rope_f");
}

}  // namespace quarry
