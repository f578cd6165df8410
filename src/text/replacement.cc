#include "text/replacement.h"

#include <cstdint>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/checked_math.h"

namespace quarry::text {
namespace {

size_t CountOf(std::string_view text, std::string_view pattern) {
  size_t n = 0;
  for (size_t at = text.find(pattern); at != std::string_view::npos;
       at = text.find(pattern, at + pattern.size())) {
    ++n;
  }
  return n;
}

}  // namespace

Status CheckStageBytes(size_t bytes) {
  if (bytes <= kMaxStageBytes) return OkStatus();
  return InvalidArgument(
      fmt::format("the tokenizer makes a text of more than {} bytes", kMaxStageBytes));
}

void MatchLiteral(std::string_view text, std::string_view pattern, std::vector<Match>& out) {
  size_t covered = 0;
  for (size_t at = text.find(pattern); at != std::string_view::npos;
       at = text.find(pattern, covered)) {
    if (covered < at) out.push_back({covered, at, false});
    covered = at + pattern.size();
    out.push_back({at, covered, true});
  }
  if (covered < text.size()) out.push_back({covered, text.size(), false});
}

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
    const size_t n = CountOf(text, *literal);
    if (n == 0) return OkStatus();
    if (Status s = CheckGrowth(text, n); !s.ok()) return s;
    if (content_.empty() && text.starts_with(*literal)) front_dropped = true;
    text = ReplaceAll(text, *literal, content_);
    return OkStatus();
  }
  std::vector<Match> matches;
  if (Status s = RegexMatcher(std::get<Regex>(pattern_)).Split(text, matches); !s.ok()) return s;
  if (Status s = CheckGrowth(text, matches.size()); !s.ok()) return s;
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

// Whether `text` stays within bounds with `n` times the content added; before anything is
// allocated.
Status Replacement::CheckGrowth(std::string_view text, size_t n) const {
  const std::optional<uint64_t> added = CheckedMul(n, content_.size());
  return CheckStageBytes(added ? text.size() + *added : SIZE_MAX);
}

}  // namespace quarry::text
