// config.json and generation_config.json.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "format/hf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = quarry::ParseHfConfig(text, "c");
  if (config.ok()) {
    // What later code divides by, allocates by and indexes with.
    if (config->n_heads < 1 || config->n_kv_heads < 1 || config->n_heads % config->n_kv_heads != 0)
      std::abort();
    if (config->windows.size() != static_cast<size_t>(config->n_layers)) std::abort();
    const quarry::RopeSpec& rope = config->rope;
    if (rope.rotated_dims < 2 || rope.rotated_dims > config->head_dim || rope.rotated_dims % 2 != 0)
      std::abort();
    if (!(rope.magnitude > 0) || !(rope.base > 1) || !(config->logit_divisor > 0)) std::abort();
    for (quarry::TokenId id : config->eos_ids) {
      if (id < 0 || id >= config->vocab_size) std::abort();
    }
  } else if (config.status().message().find('\n') != std::string::npos) {
    std::abort();
  }
  (void)quarry::ParseGenerationConfig(text, "g");
  return 0;
}
