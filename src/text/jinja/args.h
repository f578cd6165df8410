// Arguments of calls, and how functions written in C++ read them.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<StrPtr, Value>> keyword;  // names are unique
};

// Binds arguments to the parameters of a function. Missing ones are kMissing.
class Params {
 public:
  // `names`: all parameters in order, the first `required` of which must be given. Throws kType
  // for too many, too few and unknown ones. `function` is for messages: "replace".
  Params(std::string_view function, const Args& args, std::initializer_list<std::string_view> names,
         size_t required = 0);

  const Value& operator[](size_t i) const { return values_[i]; }
  bool given(size_t i) const { return !values_[i].missing(); }
  Value Or(size_t i, Value otherwise) const { return given(i) ? values_[i] : otherwise; }

  // Typed readings; they throw kType with the function's name. A missing argument or None gives
  // `otherwise`.
  int64_t Int(size_t i, int64_t otherwise) const;
  bool Bool(Runtime& rt, size_t i, bool otherwise) const;
  // REQUIRES: given(i).
  const Str& Text(size_t i) const;

 private:
  std::string_view function_;
  std::vector<std::string_view> names_;
  std::vector<Value> values_;
};

}  // namespace quarry::jinja
