// Macros and the `caller` of call blocks as values.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/frame.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class Interpreter;
class Runtime;

// The macro as defined where `frame` runs; captures the frame.
Value MakeMacro(Runtime& rt, Interpreter& interpreter, const MacroInfo& macro, Frame& frame);

}  // namespace quarry::jinja
