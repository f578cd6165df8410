// The operations of Python's str. Results keep the origin of every character: what a character
// turns into is whose the character was; separators and padding are of whoever gave them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/jinja/str.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class ListBuilder;
class Runtime;

constexpr size_t kNotFound = std::string_view::npos;

// Byte offset of the first / last occurrence of `needle`; linear time whatever the texts.
size_t FindText(std::string_view haystack, std::string_view needle, size_t from = 0);
size_t FindLastText(std::string_view haystack, std::string_view needle);
// Occurrences that do not overlap; an empty needle is found around every character.
size_t CountText(const Str& haystack, std::string_view needle);

enum class CaseChange { kUpper, kLower, kFold, kSwap, kCapitalize, kTitle };
StrPtr ChangeCase(Runtime& rt, const Str& s, CaseChange change);

enum class Side { kLeft, kRight, kBoth };
// strip(): white space, or the characters of `chars` if not null.
StrPtr Strip(Runtime& rt, const StrPtr& s, Side side, const Str* chars);

// Bytes [begin, end) as a string.
StrPtr Slice(Runtime& rt, const Str& s, size_t begin, size_t end);
// s[begin:end] by characters, clamped; begin and end not negative.
StrPtr SliceChars(Runtime& rt, const Str& s, size_t begin, size_t end);
// s * n; empty for n <= 0.
StrPtr Repeat(Runtime& rt, const Str& s, int64_t n);

// count < 0: all.
StrPtr Replace(Runtime& rt, const Str& s, const Str& from, const Str& to, int64_t count);

// split() and rsplit(): at white space if `separator` is null, which must not be empty otherwise
// (throws kValue). max_splits < 0: no limit.
void Split(Runtime& rt, const Str& s, const Str* separator, int64_t max_splits, ListBuilder& out);
void SplitFromRight(Runtime& rt, const Str& s, const Str* separator, int64_t max_splits,
                    ListBuilder& out);
void SplitLines(Runtime& rt, const Str& s, bool keep_ends, ListBuilder& out);

// separator.join(items): throws kType if an item is no string.
Value Join(Runtime& rt, const Str& separator, const Value& items);

// Pads to `width` characters with one character. Throws kType if `fill` is not one character.
enum class Align { kLeft, kRight, kCenter };
StrPtr Pad(Runtime& rt, const StrPtr& s, int64_t width, const Str& fill, Align align);
StrPtr ZeroFill(Runtime& rt, const StrPtr& s, int64_t width);
StrPtr ExpandTabs(Runtime& rt, const Str& s, int64_t tab_size);

// isalpha() and its like: not empty and every character has the property.
bool AllChars(Runtime& rt, const Str& s, bool (*property)(char32_t));
// islower() / isupper(): some cased character and none of the other case. istitle().
bool IsLowerText(Runtime& rt, const Str& s);
bool IsUpperText(Runtime& rt, const Str& s);
bool IsTitleText(Runtime& rt, const Str& s);

}  // namespace quarry::jinja
