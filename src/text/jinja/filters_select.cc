// map, select, reject and their kin: generators, as in Python.
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/attr_path.h"
#include "text/jinja/compare.h"
#include "text/jinja/error.h"
#include "text/jinja/filter_functions.h"
#include "text/jinja/iterate.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja::filters {
namespace {

int DepthOf(const Value& in, const Args& args) {
  int depth = in.depth();
  for (const Value& v : args.positional) depth = std::max(depth, v.depth());
  for (const auto& [name, v] : args.keyword) depth = std::max(depth, v.depth());
  return depth;
}

std::string_view NameOf(Runtime& rt, const Value& name, const char* what) {
  if (!name.string()) {
    Throw(ErrorKind::kRuntime, fmt::format("No {} named {}.", what, ReprText(rt, name)));
  }
  return name.view();
}

// The arguments from the `first` on.
Args Rest(const Args& args, size_t first) {
  Args rest;
  if (args.positional.size() > first) {
    rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(first),
                           args.positional.end());
  }
  rest.keyword = args.keyword;
  return rest;
}

using ItemFunction = std::function<Value(Runtime&, const Value&)>;
using ItemTest = std::function<bool(Runtime&, const Value&)>;

ItemFunction MapFunction(Runtime& rt, const Args& args) {
  const auto named = [&](std::string_view name) -> const Value* {
    for (const auto& [key, value] : args.keyword) {
      if (key->view() == name) return &value;
    }
    return nullptr;
  };
  const Value* attribute = named("attribute");
  if (args.positional.empty() && attribute != nullptr) {
    for (const auto& [key, value] : args.keyword) {
      if (key->view() != "attribute" && key->view() != "default") {
        Throw(ErrorKind::kRuntime, fmt::format("Unexpected keyword argument '{}'", key->view()));
      }
    }
    const Value* otherwise = named("default");
    return [path = AttrPath(rt, *attribute), fallback = otherwise ? *otherwise : Value::None()](
               Runtime& r, const Value& item) { return path.Get(r, item, fallback); };
  }
  if (args.positional.empty()) Throw(ErrorKind::kRuntime, "map requires a filter argument");
  const std::string_view name = NameOf(rt, args.positional[0], "filter");
  const FilterFunction filter = FindFilter(name);
  if (filter == nullptr) {
    Throw(IsUnsupportedFilter(name) ? ErrorKind::kUnsupported : ErrorKind::kRuntime,
          fmt::format("No filter named '{}'.", name));
  }
  return [filter, rest = Rest(args, 1)](Runtime& r, const Value& item) {
    return filter(r, item, rest);
  };
}

ItemTest SelectFunction(Runtime& rt, const Args& args, bool of_attribute, bool wanted) {
  const size_t first = of_attribute ? 1 : 0;
  if (of_attribute && args.positional.empty()) {
    Throw(ErrorKind::kRuntime, "Missing parameter for attribute name");
  }
  const AttrPath path(rt, of_attribute ? args.positional[0] : Value::None());
  if (args.positional.size() <= first) {
    return [path, wanted](Runtime& r, const Value& item) {
      return Truth(r, path.Get(r, item)) == wanted;
    };
  }
  const std::string_view name = NameOf(rt, args.positional[first], "test");
  const TestFunction test = FindTest(name);
  if (test == nullptr) Throw(ErrorKind::kRuntime, fmt::format("No test named '{}'.", name));
  return [path, test, rest = Rest(args, first + 1), wanted](Runtime& r, const Value& item) {
    return test(r, path.Get(r, item), rest) == wanted;
  };
}

Value SelectItems(Runtime& rt, const Value& in, const Args& args, bool of_attribute, bool wanted) {
  return MakeLazyGenerator(rt, DepthOf(in, args), [=](Runtime& r) -> NextFunction {
    if (!Truth(r, in)) return [](Runtime&, Value*) { return false; };
    const ItemTest test = SelectFunction(r, args, of_attribute, wanted);
    std::shared_ptr<Iterator> items = Iterate(r, in);
    return [=](Runtime& rt2, Value* out) {
      while (items->Next(rt2, out)) {
        if (test(rt2, *out)) return true;
      }
      return false;
    };
  });
}

}  // namespace

Value Map(Runtime& rt, const Value& in, const Args& args) {
  return MakeLazyGenerator(rt, DepthOf(in, args), [=](Runtime& r) -> NextFunction {
    if (!Truth(r, in)) return [](Runtime&, Value*) { return false; };
    const ItemFunction function = MapFunction(r, args);
    std::shared_ptr<Iterator> items = Iterate(r, in);
    return [=](Runtime& rt2, Value* out) {
      Value item;
      if (!items->Next(rt2, &item)) return false;
      *out = function(rt2, item);
      return true;
    };
  });
}

Value Select(Runtime& rt, const Value& in, const Args& args) {
  return SelectItems(rt, in, args, false, true);
}

Value Reject(Runtime& rt, const Value& in, const Args& args) {
  return SelectItems(rt, in, args, false, false);
}

Value SelectAttr(Runtime& rt, const Value& in, const Args& args) {
  return SelectItems(rt, in, args, true, true);
}

Value RejectAttr(Runtime& rt, const Value& in, const Args& args) {
  return SelectItems(rt, in, args, true, false);
}

}  // namespace quarry::jinja::filters
