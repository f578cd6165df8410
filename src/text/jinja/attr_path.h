// The `attribute` argument of filters: "name", "a.b.0", 3 or None.
#pragma once

#include <vector>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

class AttrPath {
 public:
  // None is the empty path: the item itself.
  AttrPath(Runtime& rt, const Value& attribute);

  // item[part][part]...; what is undefined on the way becomes `otherwise` unless that is None.
  Value Get(Runtime& rt, const Value& item, const Value& otherwise = Value::None()) const;

 private:
  std::vector<Value> parts_;
};

// Several paths with commas between them, as `sort` takes them.
std::vector<AttrPath> AttrPaths(Runtime& rt, const Value& attribute);

// Strings in lower case, the rest as it is.
Value IgnoreCase(Runtime& rt, const Value& value);

}  // namespace quarry::jinja
