// Pattern files of minference: whatever parses can be written, and reads back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "quarry/pattern_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = quarry::ParsePatternTable(text, "t");
  if (!table.ok()) {
    if (table.status().message().find('\n') != std::string::npos) std::abort();
    return 0;
  }
  for (const auto& layer : table->layers) {
    for (const auto& [head, p] : layer) {
      if (head < 0 || head >= table->heads() || p.first < 0 || p.second < 0) std::abort();
    }
  }
  const auto again = quarry::ParsePatternTable(quarry::FormatPatternTable(*table), "t");
  if (!again.ok() || again->layers != table->layers) std::abort();
  return 0;
}
