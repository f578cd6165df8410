#include "text/replacement.h"

#include <vector>

namespace quarry::text {

std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content) {
  std::string out;
  out.reserve(text.size());
  size_t from = 0;
  for (size_t at = text.find(pattern); at != std::string_view::npos;
       at = text.find(pattern, from)) {
    out += text.substr(from, at - from);
    out += content;
    from = at + pattern.size();
  }
  out += text.substr(from);
  return out;
}

Status Replacement::Apply(std::string& text, bool& front_dropped) const {
  if (const auto* literal = std::get_if<std::string>(&pattern_)) {
    if (content_.empty() && text.starts_with(*literal)) front_dropped = true;
    if (text.find(*literal) != std::string::npos) text = ReplaceAll(text, *literal, content_);
    return OkStatus();
  }
  std::vector<Match> matches;
  if (Status s = RegexMatcher(std::get<Regex>(pattern_)).Split(text, matches); !s.ok()) return s;
  std::string out;
  out.reserve(text.size());
  for (const Match& m : matches) {
    if (!m.is_match) {
      out.append(text, m.begin, m.end - m.begin);
      continue;
    }
    out += content_;
    if (m.begin == 0 && m.end > 0 && content_.empty()) front_dropped = true;
  }
  text = std::move(out);
  return OkStatus();
}

}  // namespace quarry::text
