#include "text/jinja/host_object.h"

#include <string>

#include <fmt/format.h>

#include "text/jinja/args.h"
#include "text/jinja/error.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja {

// Python shows an address here. A fixed one keeps renderings repeatable.
void HostObject::AppendRepr(Runtime&, bool from_user, StrBuilder& out) {
  const std::string prefix(module());
  out.Append(fmt::format("<{}{}{} object at 0x0>", prefix, prefix.empty() ? "" : ".", type_name()),
             from_user);
}

Value HostObject::Call(Runtime&, Args) {
  ThrowType(fmt::format("'{}' object is not callable", type_name()));
}

bool HostObject::Equals(Runtime&, const Value& other) const {
  return other.is(Kind::kHost) && &other.host() == this;
}

bool HostObject::Truth(Runtime& rt) {
  const auto length = Length(rt);
  return !length || *length > 0;
}

}  // namespace quarry::jinja
