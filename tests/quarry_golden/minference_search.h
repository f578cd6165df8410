// The pattern search's golden vectors.
#pragma once

#include <filesystem>

#include "tests/quarry_golden/compare.h"

namespace quarry::golden {

void CheckSearch(const std::filesystem::path& folder, Comparison& c);

}  // namespace quarry::golden
