#include "text/unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include <utf8proc.h>

#include "base/utf8.h"
#include "text/unicode_tables.h"

namespace quarry::text {
namespace {

// The range that holds `c`, or nullptr. REQUIRES: ranges sorted.
template <typename Range, size_t n>
const Range* Find(const Range (&ranges)[n], char32_t c) {
  const Range* it = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                     [](char32_t x, const Range& r) { return x < r.first; });
  if (it == std::begin(ranges)) return nullptr;
  --it;
  return c <= it->last ? it : nullptr;
}

utf8proc_category_t CategoryOf(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(OlderEquivalent(c)));
}

// One character decomposed, unordered.
void AppendDecomposed(char32_t c, bool compatible, std::vector<int32_t>& out) {
  if (c < 0xA0 || Find(kYoungDecompositions, c) != nullptr) {
    out.push_back(static_cast<int32_t>(c));
    return;
  }
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE |
                                                      (compatible ? UTF8PROC_COMPAT : 0));
  int32_t buffer[32];  // the longest decomposition, U+FDFA, has 18
  int unused = 0;
  const auto n = utf8proc_decompose_char(static_cast<int32_t>(c), buffer, 32, options, &unused);
  if (n <= 0 || n > 32) {
    out.push_back(static_cast<int32_t>(c));
    return;
  }
  out.insert(out.end(), buffer, buffer + n);
}

int CombiningClass(int32_t c) { return c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class; }

// The canonical ordering algorithm. utf8proc's own is quadratic in the length of a run of marks.
void OrderMarks(std::vector<int32_t>& chars) {
  for (size_t i = 0; i < chars.size();) {
    if (CombiningClass(chars[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < chars.size() && CombiningClass(chars[end]) != 0) ++end;
    std::stable_sort(chars.begin() + static_cast<ptrdiff_t>(i),
                     chars.begin() + static_cast<ptrdiff_t>(end),
                     [](int32_t a, int32_t b) { return CombiningClass(a) < CombiningClass(b); });
    i = end;
  }
}

// Normalises `part`, which no character outside interacts with.
void AppendNormalized(std::string_view part, NormalForm form, std::vector<int32_t>& buffer,
                      std::string& out) {
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  buffer.clear();
  for (size_t i = 0; i < part.size();) {
    const Utf8Step step = DecodeUtf8(part, i);
    AppendDecomposed(step.code_point, compatible, buffer);
    i += static_cast<size_t>(step.length);
  }
  OrderMarks(buffer);
  auto n = static_cast<utf8proc_ssize_t>(buffer.size());
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) {
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    n = utf8proc_normalize_utf32(buffer.data(), n, options);
  }
  for (utf8proc_ssize_t i = 0; i < n; ++i) {
    AppendUtf8(static_cast<char32_t>(buffer[static_cast<size_t>(i)]), out);
  }
}

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

bool IsWhitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = CategoryOf(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  if (c == 0x166D || c == 0x111C9) return true;  // punctuation until Unicode 11
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO &&
         Find(kYoungPunctuation, c) == nullptr;
}

bool IsWordChar(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  const auto category = CategoryOf(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) return true;
  if (category == UTF8PROC_CATEGORY_PC) return true;
  // Join_Control, and the letters that are symbols (Other_Alphabetic).
  return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

bool IsMark(char32_t c) {
  if (c < 0x300) return false;
  const auto category = CategoryOf(c);
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool IsNonspacingMark(char32_t c) { return c >= 0x300 && CategoryOf(c) == UTF8PROC_CATEGORY_MN; }

bool IsControl(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c < 0x80) return c < 0x20 || c == 0x7F;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_CO;
}

bool IsCjkIdeograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

char32_t OlderEquivalent(char32_t c) {
  if (c < kAddedSinceUnicode14[0].first) return c;
  const ReplacedRange* range = Find(kAddedSinceUnicode14, c);
  return range == nullptr ? c : range->proxy;
}

void AppendLowercase(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  } else if (c == 0x130) {
    out += "i\xCC\x87";
  } else {
    AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
  }
}

std::string Normalize(std::string_view text, NormalForm form) {
  // An ASCII character never changes and never combines with what stands before it. So the text
  // falls into ASCII runs, copied, and pieces "last ASCII character + what is not ASCII".
  std::string out;
  out.reserve(text.size());
  std::vector<int32_t> buffer;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && IsAscii(text[end])) ++end;
    if (end == text.size()) {
      out.append(text, i);
      break;
    }
    const size_t start = end > i ? end - 1 : end;
    out.append(text, i, start - i);
    while (end < text.size() && !IsAscii(text[end])) ++end;
    AppendNormalized(text.substr(start, end - start), form, buffer, out);
    i = end;
  }
  return out;
}

size_t GraphemeLength(std::string_view text, size_t pos) {
  const size_t next = pos + 1;
  if (IsAscii(text[pos]) && (next == text.size() || (IsAscii(text[next]) && text[pos] != '\r'))) {
    return 1;
  }
  Utf8Step step = DecodeUtf8(text, pos);
  size_t end = pos + static_cast<size_t>(step.length);
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    const auto previous = static_cast<utf8proc_int32_t>(step.code_point);
    step = DecodeUtf8(text, end);
    if (utf8proc_grapheme_break_stateful(previous, static_cast<utf8proc_int32_t>(step.code_point),
                                         &state)) {
      break;
    }
    end += static_cast<size_t>(step.length);
  }
  return end - pos;
}

}  // namespace quarry::text
