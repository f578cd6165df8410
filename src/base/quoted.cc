#include "base/quoted.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace quarry {
namespace {

std::string Printable(std::string_view text, size_t max_bytes, bool escape_quotes) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) {
    if (out.size() >= max_bytes) return out + "...";
    const Utf8Step step = DecodeUtf8(text, pos);
    const char32_t c = step.code_point;
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c == 0x2028 || c == 0x2029) {  // line and paragraph separators
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      if (escape_quotes && (c == '"' || c == '\\')) out += '\\';
      AppendUtf8(c, out);
    }
    pos += static_cast<size_t>(step.length);
  }
  return out;
}

}  // namespace

std::string OneLine(std::string_view text, size_t max_bytes) {
  return Printable(text, max_bytes, false);
}

std::string Quoted(std::string_view text, size_t max_bytes) {
  return '"' + Printable(text, max_bytes, true) + '"';
}

}  // namespace quarry
