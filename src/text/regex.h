// Regular expressions of tokenizer files, run by PCRE2's compiler to machine code.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry::text {

// One stretch of a text: what a pattern matched, or what lies between two matches.
struct Match {
  size_t begin;
  size_t end;
  bool is_match;
};

// An immutable compiled expression; safe to use from any number of threads.
class Regex {
 public:
  // `pattern` in Oniguruma's syntax (see regex_syntax.h). The error names what is wrong and where.
  static Result<Regex> Compile(std::string_view pattern);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

 private:
  friend class RegexMatcher;
  struct Code;
  explicit Regex(std::unique_ptr<const Code> code);
  std::unique_ptr<const Code> code_;
};

// Runs one Regex; keeps the memory that matching needs, so make one per task, not per match.
class RegexMatcher {
 public:
  explicit RegexMatcher(const Regex& regex);
  RegexMatcher(RegexMatcher&&) noexcept;
  ~RegexMatcher();

  // Cuts `text` into matches, found from left to right without overlap, and the gaps between them;
  // in order, gaps are never empty, an empty text is one empty gap. A match may be empty, but not
  // directly after another match. Appends to `out`.
  // Fails if the expression needs more steps or memory than its limits. Steps are counted over all
  // texts of this matcher, and as many may be taken as a constant and so many a byte of these.
  // REQUIRES: valid UTF-8.
  Status Split(std::string_view text, std::vector<Match>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quarry::text
