// The operators of expressions.
#pragma once

#include <span>

#include "text/jinja/number.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// a + b and so on, for numbers, strings, lists and tuples. Throws kUndefined if one is undefined
// and kType where Python has no such operation.
Value Binary(Runtime& rt, BinaryOp op, const Value& a, const Value& b);

// -v and +v.
Value Minus(Runtime& rt, const Value& v);
Value Plus(Runtime& rt, const Value& v);

// a ~ b ~ c: their str() in a row; escaped where {% autoescape %} asks for it.
Value Concat(Runtime& rt, std::span<const Value> values);

}  // namespace quarry::jinja
