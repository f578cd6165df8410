// "Replace what this pattern matches by that", as normalizers and decoders have it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quarry/status.h"

#include "text/regex.h"

namespace quarry::text {

// No stage of encoding or decoding makes a text longer than this: a file could ask for any growth.
inline constexpr size_t kMaxStageBytes = size_t{1} << 30;
// Fails with kInvalidArgument if `bytes` is more than that.
Status CheckStageBytes(size_t bytes);

// A string that is not empty, or an expression.
using Pattern = std::variant<std::string, Regex>;

// Cuts `text` at every occurrence of `pattern`, from left to right without overlap, as
// RegexMatcher::Split does. REQUIRES: pattern is not empty.
void MatchLiteral(std::string_view text, std::string_view pattern, std::vector<Match>& out);

// `text` with every occurrence of `pattern` replaced, from left to right without overlap.
// REQUIRES: pattern is not empty.
std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content);

class Replacement {
 public:
  Replacement(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  // Sets `front_dropped` if text was removed at the very beginning and nothing took its place.
  Status Apply(std::string& text, bool& front_dropped) const;

 private:
  Status CheckGrowth(std::string_view text, size_t n) const;

  Pattern pattern_;
  std::string content_;
};

}  // namespace quarry::text
