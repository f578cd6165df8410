#include "model/families/families.h"

#include <fmt/format.h>

namespace quarry {

Result<ModelNames> NamesOf(const HfConfig& config) {
  switch (config.family) {
    case ModelFamily::kLlama:
      return LlamaNames(config);
    default:
      break;
  }
  return Unsupported(fmt::format(
      "config.json: architecture {} cannot be run, only LlamaForCausalLM", config.architecture));
}

}  // namespace quarry
