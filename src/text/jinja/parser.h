// Builds the tree of a template: Jinja's grammar with loop controls and generation blocks.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/limits.h"

namespace quarry::jinja {

// Throws SyntaxError (lexer.h). Variables are not resolved yet.
TemplateAst Parse(std::string_view source, const Limits& limits);

}  // namespace quarry::jinja
