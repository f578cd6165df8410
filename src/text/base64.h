#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quarry::text {

// The bytes of a base64 text (RFC 4648, with or without padding, no line ends); nullopt if it is
// none.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace quarry::text
