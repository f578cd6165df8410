// Attributes and methods of the builtin types.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;
struct Method;

// obj.name for everything but host objects; nullopt if Python's type has no such attribute.
std::optional<Value> BuiltinAttribute(Runtime& rt, const Value& object, std::string_view name);

const Method* StrMethod(std::string_view name);

// d.keys(), d.values(), d.items(). REQUIRES: a dict.
enum class DictPart { kKeys, kValues, kItems };
Value MakeDictView(Runtime& rt, const Value& dict, DictPart part);

}  // namespace quarry::jinja
