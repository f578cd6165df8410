// Text from outside, made fit for a one-line message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quarry {

// `text` without line breaks or other control characters (written as \n, \t, \x1b, ...), bytes that
// are no UTF-8 as U+FFFD, and cut with "..." after about `max_bytes`.
std::string OneLine(std::string_view text, size_t max_bytes = 200);

// The same in double quotes, with " and \ escaped: what messages show of names and values.
std::string Quoted(std::string_view text, size_t max_bytes = 80);

}  // namespace quarry
