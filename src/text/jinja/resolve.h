// Finds every variable's place and every filter's function, and checks what Jinja checks when it
// compiles: unknown filters and tests, assignments to `loop`, `break` outside of loops.
#pragma once

#include "text/jinja/ast.h"

namespace quarry::jinja {

// Throws SyntaxError (lexer.h).
void Resolve(TemplateAst& ast);

}  // namespace quarry::jinja
