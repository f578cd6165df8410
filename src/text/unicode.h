// Unicode properties and normal forms as tokenizers use them.
//
// The reference for every table here is what the Rust libraries behind published tokenizers do,
// code point by code point; where they lag behind the current Unicode version, so does this file.
#pragma once

#include <string>
#include <string_view>

namespace quarry::text {

// The property White_Space.
bool IsWhitespace(char32_t c);
// General categories Nd, Nl and No.
bool IsNumeric(char32_t c);
// General categories P*, of the characters that Unicode 8 has, and the ASCII symbols $+<=>^`|~.
bool IsPunctuation(char32_t c);
// \w of Unicode Technical Standard 18: letters, marks, decimal digits, connectors, joiners.
bool IsWordChar(char32_t c);
// Categories Mn, Mc and Me.
bool IsMark(char32_t c);
// Category Mn.
bool IsNonspacingMark(char32_t c);
// Categories Cc, Cf and Co (but not line ends and tabs).
bool IsControl(char32_t c);
// A CJK ideograph in the sense of BERT.
bool IsCjkIdeograph(char32_t c);

// A character of the same general category and the same length in UTF-8 that Unicode 14 knows;
// `c` itself unless it was assigned later. Regular expressions run on text mapped in this way,
// because PCRE2 has no newer tables.
char32_t OlderEquivalent(char32_t c);

// Appends the lower case of `c`: one character, or two for U+0130.
void AppendLowercase(char32_t c, std::string& out);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// REQUIRES: valid UTF-8. Time n log n in the worst case (long runs of combining marks).
std::string Normalize(std::string_view text, NormalForm form);

// Length in bytes of the extended grapheme cluster at `pos`. REQUIRES: pos < text.size().
size_t GraphemeLength(std::string_view text, size_t pos);

}  // namespace quarry::text
