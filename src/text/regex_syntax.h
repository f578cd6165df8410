// Translation of the regular expressions in tokenizer files to PCRE2.
//
// Published tokenizers are written for Oniguruma with Ruby's syntax, which differs from PCRE2's
// where it matters to tokenizers:
//   \h            a hexadecimal digit (PCRE2: horizontal space)
//   \s \w \b      Unicode white space without U+180E; word characters include marks
//   X{n,m}+       a repeated repeat (PCRE2: possessive); X{n}? is optional (PCRE2: lazy); X{,n}
//   ^ $           at every line; (?m) lets . match a newline
//   [a[b]&&[c]]   nested classes and intersections
//   \v \uHHHH     one vertical tab; a code point
#pragma once

#include <string>
#include <string_view>

#include "quarry/status.h"

namespace quarry::text {

// The same expression for PCRE2 with the options UTF, UCP and MULTILINE. Fails with kUnsupported on
// what has no translation; errors of syntax that PCRE2 reports as well are left to it.
// With `count_repeats` a callout follows every repeat of more than a few rounds.
Result<std::string> TranslatePattern(std::string_view pattern, bool count_repeats = false);

}  // namespace quarry::text
