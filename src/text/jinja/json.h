// JSON to values and back.
#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// A document as a value whose every part is the user's (see Value::from_user) if `from_user`. Keys
// keep their order, of repeated ones the last value counts; integers of any size are exact. Throws
// kValue with the place of the mistake, kLimit for too much nesting.
Value ParseJson(Runtime& rt, std::string_view text, bool from_user);

struct JsonOptions {
  bool ensure_ascii = false;
  // As Python's json.dumps: kMissing or None for one line, a number of spaces, or a string.
  Value indent;
  // Kept as values for their origin; null for ", " (or "," with an indent) and ": ".
  StrPtr item_separator;
  StrPtr key_separator;
  bool sort_keys = false;
};

// json.dumps(value). Throws kType for what JSON has no form for.
Value DumpJson(Runtime& rt, const Value& value, const JsonOptions& options);

}  // namespace quarry::jinja
