// Cuts a template into tokens, with trim_blocks and lstrip_blocks on as transformers has them:
// the line break after a block goes, and so does white space between the start of a line and a
// block. `-` strips more, `+` keeps; raw blocks become data; comments vanish.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/token.h"

namespace quarry::jinja {

// All tokens, the last one kEnd. Throws SyntaxError. REQUIRES: valid UTF-8.
std::vector<Token> Tokenize(std::string_view source);

// A mistake in the template's text.
struct SyntaxError {
  std::string message;
  int line;
  bool unsupported = false;  // no mistake: something Quarry does not do
};

}  // namespace quarry::jinja
