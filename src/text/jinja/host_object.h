// Values that are neither data nor undefined: functions, macros, namespaces, loop variables,
// iterators. Each says what it can do.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;
struct Args;

// Yields values one at a time.
class Iterator {
 public:
  virtual ~Iterator() = default;
  // False at the end, also when asked again.
  virtual bool Next(Runtime& rt, Value* out) = 0;
};

class HostObject : public Object {
 public:
  using Object::Object;

  virtual std::string_view type_name() const = 0;
  // Python module of the type, empty for builtins.
  virtual std::string_view module() const { return ""; }
  // What str() and repr() show; all of it counts as the user's if `from_user`.
  virtual void AppendRepr(Runtime& rt, bool from_user, StrBuilder& out);
  // obj.name; nullopt if there is none.
  virtual std::optional<Value> Attribute(Runtime&, std::string_view) { return std::nullopt; }
  // obj[key]; nullopt if there is none or it can not be subscripted.
  virtual std::optional<Value> Item(Runtime&, const Value&) { return std::nullopt; }
  virtual bool callable() const { return false; }
  // REQUIRES: callable().
  virtual Value Call(Runtime& rt, Args args);
  // len(obj); nullopt if it has none.
  virtual std::optional<size_t> Length(Runtime&) { return std::nullopt; }
  // iter(obj); null if it can not be iterated.
  virtual std::unique_ptr<Iterator> Iterate(Runtime&) { return nullptr; }
  // reversed(obj); null if it can not be.
  virtual std::unique_ptr<Iterator> IterateReversed(Runtime&) { return nullptr; }
  // Whether `other` is equal; objects are only equal to themselves unless they say otherwise.
  virtual bool Equals(Runtime&, const Value& other) const;
  virtual bool Truth(Runtime& rt);
};

}  // namespace quarry::jinja
