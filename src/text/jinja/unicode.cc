#include "text/jinja/unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include <utf8proc.h>

#include "base/utf8.h"

namespace quarry::jinja {
namespace {

struct SpecialCase {
  char32_t from;
  char32_t to[3];  // 0: nothing more
};

struct CodeRange {
  char32_t first;
  char32_t last;
};

#include "text/jinja/unicode_tables.inl"

template <size_t N>
bool InRanges(const CodeRange (&ranges)[N], char32_t c) {
  const auto* it = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                    [](char32_t v, const CodeRange& r) { return v < r.first; });
  return it != std::begin(ranges) && c <= std::prev(it)->last;
}

template <size_t N>
const SpecialCase* FindSpecial(const SpecialCase (&table)[N], char32_t c) {
  const auto* it = std::lower_bound(std::begin(table), std::end(table), c,
                                    [](const SpecialCase& s, char32_t v) { return s.from < v; });
  return it != std::end(table) && it->from == c ? it : nullptr;
}

void AppendSpecial(const SpecialCase& special, std::string& out) {
  for (char32_t c : special.to) {
    if (c != 0) AppendUtf8(c, out);
  }
}

utf8proc_category_t CategoryOf(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool IsMark(utf8proc_category_t category) {
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC;
}

// Case_Ignorable of the Unicode standard, section 3.13.
bool IsCaseIgnorable(char32_t c) {
  switch (CategoryOf(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      break;
  }
  constexpr char32_t kMidWord[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                   0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                   0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  return std::find(std::begin(kMidWord), std::end(kMidWord), c) != std::end(kMidWord);
}

// Final_Sigma: a cased letter before, none after, case-ignorable characters skipped.
bool IsFinalSigma(std::string_view text, size_t pos) {
  bool before = false;
  for (size_t i = pos; i > 0;) {
    do {
      --i;
    } while (i > 0 && (static_cast<uint8_t>(text[i]) & 0xC0) == 0x80);
    const char32_t c = DecodeUtf8(text, i).code_point;
    if (IsCaseIgnorable(c)) continue;
    before = IsCased(c);
    break;
  }
  if (!before) return false;
  for (size_t i = pos + 2; i < text.size();) {
    const Utf8Step step = DecodeUtf8(text, i);
    if (!IsCaseIgnorable(step.code_point)) return !IsCased(step.code_point);
    i += static_cast<size_t>(step.length);
  }
  return true;
}

}  // namespace

bool IsWideSpace(char32_t c) {
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsLineBreak(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool IsAlpha(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const auto category = CategoryOf(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDecimal(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return CategoryOf(c) == UTF8PROC_CATEGORY_ND;
}

bool IsDigit(char32_t c) { return IsDecimal(c) || InRanges(kOtherDigit, c); }

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = CategoryOf(c);
  return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) ||
         InRanges(kOtherNumeric, c);
}

bool IsLower(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z';
  return CategoryOf(c) == UTF8PROC_CATEGORY_LL || InRanges(kOtherLowercase, c);
}

bool IsUpper(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z';
  return CategoryOf(c) == UTF8PROC_CATEGORY_LU || InRanges(kOtherUppercase, c);
}

bool IsTitle(char32_t c) { return c >= 0x80 && CategoryOf(c) == UTF8PROC_CATEGORY_LT; }

bool IsPrintable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  switch (CategoryOf(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool IsIdentifierStart(char32_t c) {
  if (c < 0x80) return IsAlpha(c) || c == '_';
  return IsAlpha(c) || CategoryOf(c) == UTF8PROC_CATEGORY_NL || c == 0x1885 || c == 0x1886 ||
         c == 0x2118 || c == 0x212E || c == 0x309B || c == 0x309C;
}

bool IsIdentifierPart(char32_t c) {
  if (c < 0x80) return IsIdentifierStart(c) || IsDecimal(c);
  const auto category = CategoryOf(c);
  return IsIdentifierStart(c) || IsMark(category) || category == UTF8PROC_CATEGORY_ND ||
         category == UTF8PROC_CATEGORY_PC || c == 0xB7 || c == 0x387 ||
         (c >= 0x1369 && c <= 0x1371) || c == 0x19DA;
}

// The decimal digits of a script are ten neighbours, and no two scripts' rows touch in another way
// than by multiples of ten; the first of a row is the one whose value is 0.
int DecimalValue(char32_t c) {
  if (c < 0x80) return static_cast<int>(c - '0');
  char32_t first = c;
  while (IsDecimal(first - 1)) --first;
  return static_cast<int>((c - first) % 10);
}

void AppendUpperCase(char32_t c, std::string& out) {
  if (const SpecialCase* special = FindSpecial(kSpecialUpper, c))
    return AppendSpecial(*special, out);
  AppendUtf8(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))), out);
}

void AppendTitleCase(char32_t c, std::string& out) {
  if (const SpecialCase* special = FindSpecial(kSpecialTitle, c))
    return AppendSpecial(*special, out);
  AppendUtf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))), out);
}

void AppendCaseFolded(char32_t c, std::string& out) {
  utf8proc_int32_t folded[8];
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), folded, 8,
                                         UTF8PROC_CASEFOLD, &boundary);
  for (utf8proc_ssize_t i = 0; i < n && i < 8; ++i)
    AppendUtf8(static_cast<char32_t>(folded[i]), out);
}

void AppendLowerCase(std::string_view text, size_t pos, std::string& out) {
  const char32_t c = DecodeUtf8(text, pos).code_point;
  if (c == 0x130) {  // capital I with dot: i and a combining dot
    AppendUtf8(0x69, out);
    AppendUtf8(0x307, out);
    return;
  }
  if (c == 0x3A3) return AppendUtf8(IsFinalSigma(text, pos) ? 0x3C2 : 0x3C3, out);
  AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

}  // namespace quarry::jinja
