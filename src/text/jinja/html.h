// Escaping for HTML: what the filters `e`, `safe` and {% autoescape %} need.
#pragma once

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// escape(v): & < > " ' as entities, marked as HTML. Text that is marked already stays as it is.
StrPtr Escape(Runtime& rt, const Value& value);
// Marks str(v) as HTML (`mark`) or not.
StrPtr Mark(Runtime& rt, const Value& value, bool mark);

}  // namespace quarry::jinja
