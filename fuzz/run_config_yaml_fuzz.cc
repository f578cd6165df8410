// A run configuration: YAML, then optionally a NUL and one override a line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view yaml(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> overrides;
  if (const size_t nul = yaml.find('\0'); nul != yaml.npos) {
    std::string_view rest = yaml.substr(nul + 1);
    yaml = yaml.substr(0, nul);
    while (!rest.empty() && overrides.size() < 8) {
      const size_t end = rest.find('\n');
      overrides.emplace_back(rest.substr(0, end));
      rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  const auto config = quarry::ParseRunConfig(yaml, "f", overrides);
  if (!config.ok()) {
    if (config.status().message().find('\n') != std::string::npos) std::abort();
    return 0;
  }
  if (!Validate(config->attention).ok() || config->chunk_size < 1 || config->max_len < 1 ||
      config->model_path.empty()) {
    std::abort();
  }
  return 0;
}
