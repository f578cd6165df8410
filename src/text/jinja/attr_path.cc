#include "text/jinja/attr_path.h"

#include <utility>

#include "text/jinja/access.h"
#include "text/jinja/iterate.h"
#include "text/jinja/number.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {

AttrPath::AttrPath(Runtime& rt, const Value& attribute) {
  if (attribute.none()) return;
  if (!attribute.string()) {
    parts_.push_back(attribute);
    return;
  }
  ListBuilder parts(rt.heap());
  const Value dot = rt.Str(".");
  Split(rt, attribute.str(), &dot.str(), -1, parts);
  for (Value& part : parts.items()) {
    if (AllChars(rt, part.str(), IsDigit)) {
      if (auto index = ParseInt(rt, part.view(), 10)) part = *index;
    }
  }
  parts_ = parts.Take();
}

Value AttrPath::Get(Runtime& rt, const Value& item, const Value& otherwise) const {
  Value value = item;
  for (const Value& part : parts_) {
    rt.Step();
    value = GetItem(rt, value, part);
    if (value.undefined() && !otherwise.none()) value = otherwise;
  }
  return value;
}

std::vector<AttrPath> AttrPaths(Runtime& rt, const Value& attribute) {
  std::vector<AttrPath> paths;
  if (!attribute.string()) {
    paths.emplace_back(rt, attribute);
    return paths;
  }
  ListBuilder parts(rt.heap());
  const Value comma = rt.Str(",");
  Split(rt, attribute.str(), &comma.str(), -1, parts);
  for (const Value& part : parts.items()) paths.emplace_back(rt, part);
  return paths;
}

Value IgnoreCase(Runtime& rt, const Value& value) {
  if (!value.string()) return value;
  return Value::Of(ChangeCase(rt, value.str(), CaseChange::kLower));
}

}  // namespace quarry::jinja
