// SHA-256 (FIPS 180-4), for fingerprints of settings and texts.
#pragma once

#include <string>
#include <string_view>

namespace quarry::eval {

// 64 lower-case hex digits.
std::string Sha256Hex(std::string_view bytes);

}  // namespace quarry::eval
