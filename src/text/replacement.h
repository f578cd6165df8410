// "Replace what this pattern matches by that", as normalizers and decoders have it.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "quarry/status.h"

#include "text/regex.h"

namespace quarry::text {

// A string that is not empty, or an expression.
using Pattern = std::variant<std::string, Regex>;

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
  Pattern pattern_;
  std::string content_;
};

}  // namespace quarry::text
