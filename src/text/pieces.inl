#pragma once

#include "base/utf8.h"

namespace quarry::text {

template <typename Predicate>
void MatchChars(std::string_view text, Predicate is_delimiter, std::vector<Match>& out) {
  size_t covered = 0;
  for (size_t i = 0; i < text.size();) {
    char32_t c = static_cast<unsigned char>(text[i]);
    size_t end = i + 1;
    if (c >= 0x80) {
      const Utf8Step step = DecodeUtf8(text, i);
      c = step.code_point;
      end = i + static_cast<size_t>(step.length);
    }
    if (is_delimiter(c)) {
      if (covered < i) out.push_back({covered, i, false});
      out.push_back({i, end, true});
      covered = end;
    }
    i = end;
  }
  if (covered < text.size()) out.push_back({covered, text.size(), false});
}

}  // namespace quarry::text
