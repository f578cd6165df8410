// obj.name, obj[key] and obj[a:b:c], with the rules of Jinja's immutable sandbox: private names and
// methods that change a list or dict are hidden.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// An attribute first, an item next, else undefined.
Value GetAttr(Runtime& rt, const Value& object, std::string_view name);

// An item first, then an attribute if the key is a string, else undefined.
Value GetItem(Runtime& rt, const Value& object, const Value& key);

// Only an attribute, else undefined (the filter `attr`).
Value GetOnlyAttr(Runtime& rt, const Value& object, std::string_view name);

// obj[start:stop:step]; None stands for what is left out. Throws kType if `object` has no slices.
Value GetSlice(Runtime& rt, const Value& object, const Value& start, const Value& stop,
               const Value& step);

}  // namespace quarry::jinja
