#include "text/jinja/compare.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include <fmt/format.h>

#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/host_object.h"
#include "text/jinja/iterate.h"
#include "text/jinja/number.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"

namespace quarry::jinja {
namespace {

int Sign(int v) { return v < 0 ? -1 : v > 0 ? 1 : 0; }

int CompareText(Heap& heap, std::string_view a, std::string_view b) {
  heap.StepBytes(std::min(a.size(), b.size()));
  return Sign(a.compare(b));
}

BigInt ToBig(const Value& v) { return v.is(Kind::kBigInt) ? v.as_big() : BigInt(v.as_int()); }

int CompareIntegers(const Value& a, const Value& b) {
  if (!a.is(Kind::kBigInt) && !b.is(Kind::kBigInt)) {
    return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int() ? 1 : 0;
  }
  return BigInt::Compare(ToBig(a), ToBig(b));
}

// The sign of i - d. REQUIRES: d is no NaN.
int CompareIntegerToFloat(const Value& i, double d) {
  if (std::isinf(d)) return d > 0 ? -1 : 1;
  const double whole = std::floor(d);
  const double fraction = d - whole;
  int order;
  if (std::fabs(whole) < 9e18) {
    order = CompareIntegers(i, Value::Int(static_cast<int64_t>(whole)));
  } else if (!i.is(Kind::kBigInt)) {
    return whole > 0 ? -1 : 1;
  } else {
    order = BigInt::Compare(i.as_big(), BigIntFromFloat(whole));
  }
  return order != 0 ? order : (fraction > 0 ? -1 : 0);
}

// Where a kind of key stands among the others.
int KeyClass(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kNone:
      return 1;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kBigInt:
    case Kind::kFloat:
      return 2;
    case Kind::kString:
      return 3;
    case Kind::kTuple:
      return 4;
    case Kind::kRange:
      return 5;
    default:
      return 6;
  }
}

const char* Symbol(Order order) {
  switch (order) {
    case Order::kLess:
      return "<";
    case Order::kLessEqual:
      return "<=";
    case Order::kGreater:
      return ">";
    case Order::kGreaterEqual:
      return ">=";
  }
  return "<";
}

bool Holds(Order order, int comparison) {
  switch (order) {
    case Order::kLess:
      return comparison < 0;
    case Order::kLessEqual:
      return comparison <= 0;
    case Order::kGreater:
      return comparison > 0;
    case Order::kGreaterEqual:
      return comparison >= 0;
  }
  return false;
}

bool ListsEqual(Runtime& rt, const List& a, const List& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].Same(b[i]) && !Equal(rt, a[i], b[i])) return false;
  }
  return true;
}

bool DictsEqual(Runtime& rt, const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.Find(key);
    if (other == nullptr || !Equal(rt, value, *other)) return false;
  }
  return true;
}

bool RangesEqual(const Range& a, const Range& b) {
  if (a.size() != b.size()) return false;
  if (a.size() == 0) return true;
  return a.start() == b.start() && (a.size() == 1 || a.step() == b.step());
}

bool RangeContains(const Range& r, const Value& v) {
  if (!v.number() || r.size() == 0) return false;
  const int64_t low = r.step() > 0 ? r.at(0) : r.at(r.size() - 1);
  const int64_t high = r.step() > 0 ? r.at(r.size() - 1) : r.at(0);
  const int below = CompareNumbers(v, Value::Int(low));
  const int above = CompareNumbers(v, Value::Int(high));
  if (below < 0 || below == 2 || above > 0) return false;
  const auto i = v.is(Kind::kFloat) ? static_cast<int64_t>(v.as_float()) : v.as_int();
  if (CompareNumbers(v, Value::Int(i)) != 0) return false;
  return (i - r.start()) % r.step() == 0;
}

}  // namespace

int CompareNumbers(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) && b.is(Kind::kFloat)) {
    const double x = a.as_float();
    const double y = b.as_float();
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
  }
  if (a.is(Kind::kFloat)) {
    return std::isnan(a.as_float()) ? 2 : -CompareIntegerToFloat(b, a.as_float());
  }
  if (b.is(Kind::kFloat)) {
    return std::isnan(b.as_float()) ? 2 : CompareIntegerToFloat(a, b.as_float());
  }
  return CompareIntegers(a, b);
}

bool Truth(Runtime& rt, const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.as_bool();
    case Kind::kInt:
      return value.as_int() != 0;
    case Kind::kBigInt:
      return true;
    case Kind::kFloat:
      return value.as_float() != 0;
    case Kind::kString:
      return !value.str().empty();
    case Kind::kList:
    case Kind::kTuple:
      return value.list().size() != 0;
    case Kind::kDict:
      return value.dict().size() != 0;
    case Kind::kRange:
      return value.range().size() != 0;
    case Kind::kHost:
      return value.host().Truth(rt);
  }
  return true;
}

bool Equal(Runtime& rt, const Value& a, const Value& b) {
  rt.Step();
  if (a.number() && b.number()) return CompareNumbers(a, b) == 0;
  if (a.is(Kind::kHost)) return a.host().Equals(rt, b);
  if (a.kind() != b.kind()) return b.is(Kind::kHost) && b.host().Equals(rt, a);
  switch (a.kind()) {
    case Kind::kString:
      rt.heap().StepBytes(a.view().size());
      return a.view() == b.view();
    case Kind::kList:
    case Kind::kTuple:
      return ListsEqual(rt, a.list(), b.list());
    case Kind::kDict:
      return DictsEqual(rt, a.dict(), b.dict());
    case Kind::kRange:
      return RangesEqual(a.range(), b.range());
    default:
      return true;  // undefined, None
  }
}

bool Ordered(Runtime& rt, Order order, const Value& a, const Value& b) {
  rt.Step();
  CheckDefined(a);
  CheckDefined(b);
  if (a.number() && b.number()) {
    const int comparison = CompareNumbers(a, b);
    return comparison != 2 && Holds(order, comparison);
  }
  if (a.string() && b.string()) {
    // Bytes of UTF-8 sort like code points.
    return Holds(order, CompareText(rt.heap(), a.view(), b.view()));
  }
  if (a.sequence() && a.kind() == b.kind()) {
    const List& x = a.list();
    const List& y = b.list();
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!x[i].Same(y[i]) && !Equal(rt, x[i], y[i])) return Ordered(rt, order, x[i], y[i]);
    }
    return Holds(order, x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0);
  }
  ThrowType(fmt::format("'{}' not supported between instances of '{}' and '{}'", Symbol(order),
                        TypeName(a), TypeName(b)));
}

bool Contains(Runtime& rt, const Value& haystack, const Value& needle) {
  rt.Step();
  switch (haystack.kind()) {
    case Kind::kString:
      if (!needle.string()) {
        CheckDefined(needle);
        ThrowType(
            fmt::format("'in <string>' requires string as left operand, not {}", TypeName(needle)));
      }
      rt.heap().StepBytes(haystack.view().size());
      return FindText(haystack.view(), needle.view()) != kNotFound;
    case Kind::kDict:
      return haystack.dict().Find(needle) != nullptr;
    case Kind::kRange:
      if (needle.number()) return RangeContains(haystack.range(), needle);
      break;
    default:
      break;
  }
  auto items = Iterate(rt, haystack, "argument of type '{}' is not iterable");
  for (Value item; items->Next(rt, &item);) {
    if (item.Same(needle) || Equal(rt, item, needle)) return true;
  }
  return false;
}

size_t Length(Runtime& rt, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return value.str().size();
    case Kind::kList:
    case Kind::kTuple:
      return value.list().size();
    case Kind::kDict:
      return value.dict().size();
    case Kind::kRange:
      return static_cast<size_t>(value.range().size());
    case Kind::kHost:
      if (const auto length = value.host().Length(rt)) return *length;
      break;
    default:
      break;
  }
  ThrowType(fmt::format("object of type '{}' has no len()", TypeName(value)));
}

void CheckHashable(const Value& key) {
  if (key.hashable()) return;
  if (!key.is(Kind::kTuple)) ThrowType(fmt::format("unhashable type: '{}'", TypeName(key)));
  for (const Value& item : key.list().items()) CheckHashable(item);
}

int CompareKeyToText(Heap& heap, const Value& key, std::string_view text) {
  if (key.string()) return CompareText(heap, key.view(), text);
  return KeyClass(key) < 3 ? -1 : 1;
}

int CompareKeys(Heap& heap, const Value& a, const Value& b) {
  heap.Step();
  const int class_a = KeyClass(a);
  const int class_b = KeyClass(b);
  if (class_a != class_b) return class_a < class_b ? -1 : 1;
  switch (class_a) {
    case 2: {
      const int order = CompareNumbers(a, b);
      if (order != 2) return order;
      // NaN is equal to itself as a key and comes after all numbers.
      const bool nan_a = a.is(Kind::kFloat) && std::isnan(a.as_float());
      const bool nan_b = b.is(Kind::kFloat) && std::isnan(b.as_float());
      return nan_a == nan_b ? 0 : nan_a ? 1 : -1;
    }
    case 3:
      return CompareText(heap, a.view(), b.view());
    case 4: {
      const List& x = a.list();
      const List& y = b.list();
      for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
        if (const int order = CompareKeys(heap, x[i], y[i])) return order;
      }
      return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
    }
    case 5: {
      const Range& x = a.range();
      const Range& y = b.range();
      if (RangesEqual(x, y)) return 0;
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (x.start() != y.start()) return x.start() < y.start() ? -1 : 1;
      return x.step() < y.step() ? -1 : 1;
    }
    case 6:
      return std::less<const void*>()(&a.host(), &b.host()) ? -1 : &a.host() != &b.host();
    default:
      return 0;
  }
}

}  // namespace quarry::jinja
