// Functions written in C++ as values, and methods bound to the value they belong to.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/args.h"
#include "text/jinja/host_object.h"

namespace quarry::jinja {

struct Function {
  std::string_view name;
  Value (*call)(Runtime& rt, const Args& args);
};

struct Method {
  std::string_view name;
  Value (*call)(Runtime& rt, const Value& self, const Args& args);
};

// `function` must live forever: a constant.
Value MakeFunction(Runtime& rt, const Function& function);
Value BindMethod(Runtime& rt, const Value& self, const Method& method);

// The method of that name in a table sorted by name; null if there is none.
template <size_t N>
const Method* FindMethod(const Method (&table)[N], std::string_view name) {
  size_t low = 0;
  size_t high = N;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (table[middle].name < name) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < N && table[low].name == name ? &table[low] : nullptr;
}

}  // namespace quarry::jinja
