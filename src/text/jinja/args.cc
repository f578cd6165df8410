#include "text/jinja/args.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/compare.h"
#include "text/jinja/error.h"
#include "text/jinja/number.h"

namespace quarry::jinja {

Params::Params(std::string_view function, const Args& args,
               std::initializer_list<std::string_view> names, size_t required)
    : function_(function), names_(names), values_(names.size()) {
  if (args.positional.size() > names_.size()) {
    ThrowType(fmt::format("{}() takes at most {} arguments ({} given)", function_, names_.size(),
                          args.positional.size()));
  }
  std::copy(args.positional.begin(), args.positional.end(), values_.begin());
  for (const auto& [name, value] : args.keyword) {
    const auto it = std::find(names_.begin(), names_.end(), name->view());
    if (it == names_.end()) {
      ThrowType(
          fmt::format("{}() got an unexpected keyword argument '{}'", function_, name->view()));
    }
    Value& slot = values_[static_cast<size_t>(it - names_.begin())];
    if (!slot.missing()) {
      ThrowType(fmt::format("{}() got multiple values for argument '{}'", function_, name->view()));
    }
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!given(i)) {
      ThrowType(fmt::format("{}() missing required argument: '{}'", function_, names_[i]));
    }
  }
}

int64_t Params::Int(size_t i, int64_t otherwise) const {
  if (!given(i) || values_[i].none()) return otherwise;
  return ToIndex(values_[i]);
}

bool Params::Bool(Runtime& rt, size_t i, bool otherwise) const {
  return given(i) ? Truth(rt, values_[i]) : otherwise;
}

const Str& Params::Text(size_t i) const {
  CheckDefined(values_[i]);
  if (!values_[i].string()) {
    ThrowType(fmt::format("{}() argument '{}' must be str, not {}", function_, names_[i],
                          TypeName(values_[i])));
  }
  return values_[i].str();
}

}  // namespace quarry::jinja
