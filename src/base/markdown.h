// Pieces of Markdown.
#pragma once

#include <string>
#include <string_view>

namespace quarry {

// Text as a cell of a table: a line break or a bar would end it.
inline std::string MarkdownCell(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace quarry
