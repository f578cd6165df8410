// Character classes of Oniguruma, rewritten for PCRE2. Used by regex_syntax.cc.
#pragma once

#include <string>
#include <string_view>

#include "quarry/status.h"

namespace quarry::text {

// Sets that both classes and single escapes need, as the inside of a PCRE2 class.
inline constexpr std::string_view kSpaceSet = "\\p{Z}\\t-\\r\\x{85}";
inline constexpr std::string_view kWordSet =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}"
    "\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
// What \w matches besides when it does not stand in a class.
inline constexpr std::string_view kBareWordExtra = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
inline constexpr std::string_view kHexSet = "0-9A-Fa-f";

// An escape that stands for a set of characters.
struct EscapedSet {
  std::string items;     // the inside of a class
  bool negated = false;  // everything but `items`
};

// Reads the set escape (\s, \W, \p{L}, ...) at `pos`, where the backslash is, and moves past it.
// False if the escape there is another one. `bare`: it does not stand in a class.
bool ReadSetEscape(std::string_view pattern, size_t& pos, bool bare, EscapedSet& out);

// Reads the code point escape (\n, \x41, \x{41}, \u0041, \., ...) at `pos` and moves past it; `out`
// is its PCRE2 form, the same inside and outside of classes.
Status ReadCharEscape(std::string_view pattern, size_t& pos, std::string& out);

// Reads the class that begins at `pos` with '[' and moves past its ']'; appends an atom that
// matches the same characters. Nesting is limited.
Status TranslateClass(std::string_view pattern, size_t& pos, std::string& out);

}  // namespace quarry::text
