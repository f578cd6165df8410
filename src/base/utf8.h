// UTF-8 as defined by Unicode 15, table 3-7: no overlong forms, no surrogates, at most U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quarry {

// One step through a byte string.
struct Utf8Step {
  char32_t code_point;  // U+FFFD if the bytes are not a character
  int length;           // bytes consumed, at least 1; for bad bytes the maximal invalid part
  bool valid;
};

// REQUIRES: pos < text.size().
Utf8Step DecodeUtf8(std::string_view text, size_t pos);

// Offset of the first byte that is not part of a valid character; npos if there is none.
size_t FindInvalidUtf8(std::string_view text);
inline bool IsValidUtf8(std::string_view text) {
  return FindInvalidUtf8(text) == std::string_view::npos;
}

// Appends the encoding of `code_point`. REQUIRES: a Unicode scalar value.
void AppendUtf8(char32_t code_point, std::string& out);

// `text` with every maximal invalid part replaced by U+FFFD (the lossy decoding of the Unicode
// standard, section 3.9, and of Rust and Python).
std::string ReplaceInvalidUtf8(std::string_view text);

// Length of the longest prefix that does not end inside a character that more bytes could
// complete. Bytes that can never become valid count as complete.
size_t CompleteUtf8Prefix(std::string_view text);

}  // namespace quarry
