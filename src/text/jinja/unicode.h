// Character properties and case mappings as Python's str has them.
#pragma once

#include <string>
#include <string_view>

#include "base/utf8.h"

namespace quarry::jinja {

// DecodeUtf8 with the common case in line.
inline Utf8Step CharAt(std::string_view text, size_t pos) {
  const auto byte = static_cast<unsigned char>(text[pos]);
  return byte < 0x80 ? Utf8Step{byte, 1, true} : DecodeUtf8(text, pos);
}

// str.isspace, also what strip() and split() remove.
bool IsWideSpace(char32_t c);
inline bool IsSpace(char32_t c) {
  return c < 0x80 ? (c >= 9 && c <= 13) || (c >= 28 && c <= 32) : IsWideSpace(c);
}
bool IsLineBreak(char32_t c);  // where splitlines() cuts; "\r\n" counts as one
bool IsAlpha(char32_t c);
bool IsDecimal(char32_t c);
bool IsDigit(char32_t c);
bool IsNumeric(char32_t c);
bool IsLower(char32_t c);
bool IsUpper(char32_t c);
bool IsTitle(char32_t c);      // titlecase letters such as U+01C5
bool IsPrintable(char32_t c);  // what repr() shows as it is
bool IsIdentifierStart(char32_t c);
bool IsIdentifierPart(char32_t c);
inline bool IsAlnum(char32_t c) { return IsAlpha(c) || IsDecimal(c) || IsDigit(c) || IsNumeric(c); }
inline bool IsCased(char32_t c) { return IsLower(c) || IsUpper(c) || IsTitle(c); }

// Value of a decimal digit of any script. REQUIRES: IsDecimal(c).
int DecimalValue(char32_t c);

// Full mappings: one character may become up to three.
void AppendUpperCase(char32_t c, std::string& out);
void AppendTitleCase(char32_t c, std::string& out);
void AppendCaseFolded(char32_t c, std::string& out);

// The character that starts at byte `pos` of `text`, which is valid UTF-8: needed because a capital
// sigma becomes another letter at the end of a word.
void AppendLowerCase(std::string_view text, size_t pos, std::string& out);

}  // namespace quarry::jinja
