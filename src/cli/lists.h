// Lists on the command line: "4K,16K", "1000:100000:10".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry::cli {

// The parts between commas of all `texts`; empty ones are dropped.
std::vector<std::string> SplitCommas(const std::vector<std::string>& texts);

// "4K", "1M" (powers of two), "1000". `name` is the option's, for messages.
Result<int64_t> ParseSize(std::string_view name, std::string_view text);

// Sizes, and LOW:HIGH:COUNT for that many, evenly spaced and rounded.
Result<std::vector<int64_t>> ParseSizes(std::string_view name,
                                        const std::vector<std::string>& texts);

}  // namespace quarry::cli
