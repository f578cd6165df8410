// The JSON header of a safetensors file, read in one pass without building a JSON value.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "format/safetensors.h"

namespace quarry {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of the text, names not yet compared
  std::map<std::string, std::string> metadata;
};

// Checks the grammar: every entry has dtype, shape and data_offsets once and nothing else. Whether
// they make sense together is for the caller. Throws std::bad_alloc.
Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, std::string_view name,
                                                 size_t max_tensors);

}  // namespace quarry
