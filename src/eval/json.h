// JSON lines that come from outside, and numbers that JSON has no word for.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "quarry/status.h"

namespace quarry::eval {

// An object nested no deeper than 64, so that copying and printing it cannot use up the stack.
// Errors say what the text is not, without a name before it.
Result<nlohmann::json> ParseJsonObject(std::string_view text);

// A number, or "inf", "-inf" or "nan".
nlohmann::json JsonNumber(double value);

}  // namespace quarry::eval
