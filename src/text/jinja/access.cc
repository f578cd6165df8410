#include "text/jinja/access.h"

#include <algorithm>
#include <limits>
#include <string>

#include <fmt/format.h>

#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/host_object.h"
#include "text/jinja/iterate.h"
#include "text/jinja/methods.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

bool ChangesList(std::string_view name) {
  constexpr std::string_view kNames[] = {"append", "clear", "pop",    "reverse",
                                         "insert", "sort",  "extend", "remove"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

bool ChangesDict(std::string_view name) {
  constexpr std::string_view kNames[] = {"clear", "pop", "popitem", "setdefault", "update"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Every Python object has __class__ and so on; the sandbox hides them all.
bool IsDunder(std::string_view name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__");
}

Value Hidden(Runtime& rt, const Value& object, std::string_view name) {
  return Value::Undefined(
      rt.heap(),
      fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, TypeName(object)),
      true);
}

std::optional<Value> Attribute(Runtime& rt, const Value& object, std::string_view name) {
  if (object.undefined()) ThrowUndefined(object);
  if (object.is(Kind::kList) && ChangesList(name)) return Hidden(rt, object, name);
  if (object.is(Kind::kDict) && ChangesDict(name)) return Hidden(rt, object, name);
  std::optional<Value> found = object.is(Kind::kHost) ? object.host().Attribute(rt, name)
                                                      : BuiltinAttribute(rt, object, name);
  if ((found || IsDunder(name)) && name.starts_with('_')) return Hidden(rt, object, name);
  return found;
}

// Position in a sequence of `size` items; nullopt if outside or not an integer.
std::optional<size_t> Position(const Value& key, size_t size) {
  if (!key.integral() || key.is(Kind::kBigInt)) return std::nullopt;
  int64_t i = key.as_int();
  if (i < 0) i += static_cast<int64_t>(size);
  if (i < 0 || i >= static_cast<int64_t>(size)) return std::nullopt;
  return static_cast<size_t>(i);
}

std::optional<Value> Item(Runtime& rt, const Value& object, const Value& key) {
  switch (object.kind()) {
    case Kind::kUndefined:
      ThrowUndefined(object);
    case Kind::kString: {
      const auto i = Position(key, object.str().size());
      if (!i) return std::nullopt;
      return Value::Of(SliceChars(rt, object.str(), *i, *i + 1));
    }
    case Kind::kList:
    case Kind::kTuple: {
      const auto i = Position(key, object.list().size());
      if (!i) return std::nullopt;
      return object.list()[*i];
    }
    case Kind::kDict: {
      if (key.is(Kind::kList) || key.is(Kind::kDict)) return std::nullopt;
      const Value* found = object.dict().Find(key);
      if (found == nullptr) return std::nullopt;
      return *found;
    }
    case Kind::kRange: {
      const auto i = Position(key, static_cast<size_t>(object.range().size()));
      if (!i) return std::nullopt;
      return Value::Int(object.range().at(static_cast<int64_t>(*i)));
    }
    case Kind::kHost:
      return object.host().Item(rt, key);
    default:
      return std::nullopt;
  }
}

Value NoAttribute(Runtime& rt, const Value& object, std::string_view name) {
  return rt.Undefined(fmt::format("'{}' has no attribute '{}'", TypeDescription(object), name));
}

// One bound of a slice as Python reads it.
int64_t Bound(const Value& v, int64_t otherwise) {
  if (v.none()) return otherwise;
  if (!v.integral()) {
    ThrowType("slice indices must be integers or None or have an __index__ method");
  }
  return ToIndex(v);
}

struct Slicing {
  int64_t start;
  int64_t stop;
  int64_t step;
  int64_t count;
};

Slicing Resolve(const Value& start_value, const Value& stop_value, const Value& step_value,
                int64_t size) {
  const int64_t step = std::max(Bound(step_value, 1), -std::numeric_limits<int64_t>::max());
  if (step == 0) ThrowValue("slice step cannot be zero");
  const auto clamp = [&](int64_t i) {
    if (i < 0) i = i < -size ? -1 : i + size;
    return step > 0 ? std::clamp<int64_t>(i, 0, size) : std::clamp<int64_t>(i, -1, size - 1);
  };
  const int64_t start =
      start_value.none() ? (step > 0 ? 0 : size - 1) : clamp(Bound(start_value, 0));
  const int64_t stop = stop_value.none() ? (step > 0 ? size : -1) : clamp(Bound(stop_value, 0));
  return {start, stop, step, static_cast<int64_t>(Range::Count(start, stop, step))};
}

int64_t Times(int64_t a, int64_t b) {
  int64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) Throw(ErrorKind::kOverflow, "range step too large");
  return r;
}

// Item i of a range, where i may also be one before the first or after the last.
int64_t ItemOrEdge(const Range& r, int64_t i) {
  int64_t sum = 0;
  if (__builtin_add_overflow(r.start(), Times(i, r.step()), &sum)) {
    Throw(ErrorKind::kOverflow, "range bound too large");
  }
  return sum;
}

StrPtr SliceString(Runtime& rt, const Str& s, const Slicing& slice) {
  const auto start = static_cast<size_t>(slice.start);
  if (slice.count == 0) return Slice(rt, s, 0, 0);
  if (slice.step == 1) return SliceChars(rt, s, start, start + static_cast<size_t>(slice.count));
  // Offsets of all characters, so that any step is a lookup.
  std::vector<size_t> offsets;
  rt.heap().Reserve((s.size() + 1) * sizeof(size_t));
  rt.Step(s.size() / 8 + static_cast<size_t>(slice.count) / 4);
  offsets.reserve(s.size() + 1);
  for (size_t i = 0; i < s.view().size();) {
    offsets.push_back(i);
    i += static_cast<size_t>(CharAt(s.view(), i).length);
  }
  offsets.push_back(s.view().size());
  StrBuilder out(rt.heap(), s.markup());
  for (int64_t n = 0; n < slice.count; ++n) {
    const auto i = static_cast<size_t>(slice.start + n * slice.step);
    out.Append(s, offsets[i], offsets[i + 1]);
  }
  return out.Finish();
}

}  // namespace

Value GetAttr(Runtime& rt, const Value& object, std::string_view name) {
  if (auto found = Attribute(rt, object, name)) return *std::move(found);
  if (object.is(Kind::kDict)) {
    if (const Value* item = object.dict().Find(name)) return *item;
  }
  return NoAttribute(rt, object, name);
}

Value GetOnlyAttr(Runtime& rt, const Value& object, std::string_view name) {
  if (auto found = Attribute(rt, object, name)) return *std::move(found);
  return NoAttribute(rt, object, name);
}

Value GetItem(Runtime& rt, const Value& object, const Value& key) {
  if (auto found = Item(rt, object, key)) return *std::move(found);
  if (!key.string()) {
    return rt.Undefined(
        fmt::format("{} has no element {}", TypeDescription(object), ReprText(rt, key)));
  }
  if (auto found = Attribute(rt, object, key.view())) return *std::move(found);
  return NoAttribute(rt, object, key.view());
}

Value GetSlice(Runtime& rt, const Value& object, const Value& start, const Value& stop,
               const Value& step) {
  CheckDefined(object);
  switch (object.kind()) {
    case Kind::kString: {
      const auto slice = Resolve(start, stop, step, static_cast<int64_t>(object.str().size()));
      return Value::Of(SliceString(rt, object.str(), slice));
    }
    case Kind::kList:
    case Kind::kTuple: {
      const List& list = object.list();
      const auto slice = Resolve(start, stop, step, static_cast<int64_t>(list.size()));
      ListBuilder out(rt.heap());
      for (int64_t n = 0; n < slice.count; ++n) {
        out.Push(list[static_cast<size_t>(slice.start + n * slice.step)]);
      }
      return object.is(Kind::kList) ? out.FinishList() : out.FinishTuple();
    }
    case Kind::kRange: {
      const Range& r = object.range();
      const auto slice = Resolve(start, stop, step, r.size());
      return Value::Of(std::make_shared<const Range>(&rt.heap(), ItemOrEdge(r, slice.start),
                                                     ItemOrEdge(r, slice.stop),
                                                     Times(r.step(), slice.step)));
    }
    case Kind::kDict:
      ThrowType("unhashable type: 'slice'");
    default:
      ThrowType(fmt::format("'{}' object is not subscriptable", TypeName(object)));
  }
}

}  // namespace quarry::jinja
