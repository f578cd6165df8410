#include "base/utf8.h"

#include <algorithm>

namespace quarry {
namespace {

// Bytes a lead byte announces, and the allowed range of the second byte (table 3-7).
struct Lead {
  int length;  // 0: not a lead byte
  uint8_t low;
  uint8_t high;
};

Lead LeadOf(uint8_t b) {
  if (b < 0x80) return {1, 0, 0};
  if (b >= 0xC2 && b <= 0xDF) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};
  if (b >= 0xE1 && b <= 0xEF) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b >= 0xF1 && b <= 0xF3) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// How many bytes at `pos` are a valid beginning of a character, at most the announced length.
int ValidPart(std::string_view text, size_t pos, const Lead& lead) {
  int n = 1;
  while (n < lead.length && pos + static_cast<size_t>(n) < text.size()) {
    const auto b = static_cast<uint8_t>(text[pos + static_cast<size_t>(n)]);
    const bool good = n == 1 ? (b >= lead.low && b <= lead.high) : (b >= 0x80 && b <= 0xBF);
    if (!good) break;
    ++n;
  }
  return n;
}

}  // namespace

Utf8Step DecodeUtf8(std::string_view text, size_t pos) {
  const auto first = static_cast<uint8_t>(text[pos]);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = LeadOf(first);
  if (lead.length == 0) return {U'\uFFFD', 1, false};
  const int n = ValidPart(text, pos, lead);
  if (n < lead.length) return {U'\uFFFD', n, false};
  char32_t cp = first & (0x7F >> lead.length);
  for (int i = 1; i < n; ++i) {
    cp = (cp << 6) | (static_cast<uint8_t>(text[pos + static_cast<size_t>(i)]) & 0x3F);
  }
  return {cp, n, true};
}

size_t FindInvalidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const Utf8Step step = DecodeUtf8(text, i);
    if (!step.valid) return i;
    i += static_cast<size_t>(step.length);
  }
  return std::string_view::npos;
}

void AppendUtf8(char32_t cp, std::string& out) {
  const auto put = [&](uint32_t b) { out.push_back(static_cast<char>(b)); };
  if (cp < 0x80) {
    put(cp);
  } else if (cp < 0x800) {
    put(0xC0 | (cp >> 6));
    put(0x80 | (cp & 0x3F));
  } else if (cp < 0x10000) {
    put(0xE0 | (cp >> 12));
    put(0x80 | ((cp >> 6) & 0x3F));
    put(0x80 | (cp & 0x3F));
  } else {
    put(0xF0 | (cp >> 18));
    put(0x80 | ((cp >> 12) & 0x3F));
    put(0x80 | ((cp >> 6) & 0x3F));
    put(0x80 | (cp & 0x3F));
  }
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = DecodeUtf8(text, i);
    AppendUtf8(step.code_point, out);
    i += static_cast<size_t>(step.length);
  }
  return out;
}

size_t CompleteUtf8Prefix(std::string_view text) {
  const size_t first = text.size() > 3 ? text.size() - 3 : 0;
  for (size_t i = text.size(); i-- > first;) {
    const auto b = static_cast<uint8_t>(text[i]);
    if ((b & 0xC0) == 0x80) continue;  // a continuation byte: look further left for its lead
    const Lead lead = LeadOf(b);
    const size_t rest = text.size() - i;
    if (lead.length > static_cast<int>(rest) &&
        ValidPart(text, i, lead) == static_cast<int>(rest)) {
      return i;
    }
    break;
  }
  return text.size();
}

}  // namespace quarry
