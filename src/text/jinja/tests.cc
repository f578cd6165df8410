// The builtin tests: what may follow `is`.
#include <algorithm>
#include <iterator>

#include "text/jinja/compare.h"
#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/host_object.h"
#include "text/jinja/iterate.h"
#include "text/jinja/operators.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"

namespace quarry::jinja {
namespace {

void NoArgs(const Args& args) { const Params p("test", args, {}); }

Value OneArg(const Args& args) {
  const Params p("test", args, {"other"}, 1);
  return p[0];
}

template <bool (*property)(const Value&)>
bool Is(Runtime&, const Value& in, const Args& args) {
  NoArgs(args);
  return property(in);
}

bool Remainder(Runtime& rt, const Value& in, const Value& divisor, int64_t wanted) {
  return Equal(rt, Binary(rt, BinaryOp::kMod, in, divisor), Value::Int(wanted));
}

bool IsOdd(Runtime& rt, const Value& in, const Args& args) {
  NoArgs(args);
  return Remainder(rt, in, Value::Int(2), 1);
}

bool IsEven(Runtime& rt, const Value& in, const Args& args) {
  NoArgs(args);
  return Remainder(rt, in, Value::Int(2), 0);
}

bool IsDivisibleBy(Runtime& rt, const Value& in, const Args& args) {
  const Params p("divisibleby", args, {"num"}, 1);
  return Remainder(rt, in, p[0], 0);
}

bool IsEqual(Runtime& rt, const Value& in, const Args& args) { return Equal(rt, in, OneArg(args)); }

bool IsUnequal(Runtime& rt, const Value& in, const Args& args) {
  return !Equal(rt, in, OneArg(args));
}

template <Order order>
bool IsOrdered(Runtime& rt, const Value& in, const Args& args) {
  return Ordered(rt, order, in, OneArg(args));
}

bool IsIn(Runtime& rt, const Value& in, const Args& args) {
  const Params p("in", args, {"seq"}, 1);
  return Contains(rt, p[0], in);
}

bool IsSameAs(Runtime&, const Value& in, const Args& args) { return in.Same(OneArg(args)); }

bool IsLowerCase(Runtime& rt, const Value& in, const Args& args) {
  NoArgs(args);
  return IsLowerText(rt, *ToStr(rt, in));
}

bool IsUpperCase(Runtime& rt, const Value& in, const Args& args) {
  NoArgs(args);
  return IsUpperText(rt, *ToStr(rt, in));
}

bool IsIterable(Runtime& rt, const Value& in, const Args& args) {
  NoArgs(args);
  return Iterable(rt, in);
}

bool IsSequence(Runtime& rt, const Value& in, const Args& args) {
  NoArgs(args);
  if (!in.is(Kind::kHost)) {
    return in.undefined() || in.string() || in.sequence() || in.is(Kind::kDict) ||
           in.is(Kind::kRange);
  }
  return in.host().type_name() == "_GroupTuple" && in.host().Length(rt).has_value();
}

bool IsFilterName(Runtime&, const Value& in, const Args& args) {
  NoArgs(args);
  CheckHashable(in);
  return in.string() && (FindFilter(in.view()) != nullptr || IsUnsupportedFilter(in.view()));
}

bool IsTestName(Runtime&, const Value& in, const Args& args) {
  NoArgs(args);
  CheckHashable(in);
  return in.string() && FindTest(in.view()) != nullptr;
}

bool Defined(const Value& v) { return !v.undefined(); }
bool NotDefined(const Value& v) { return v.undefined(); }
bool None(const Value& v) { return v.none(); }
bool Boolean(const Value& v) { return v.is(Kind::kBool); }
bool True(const Value& v) { return v.is(Kind::kBool) && v.as_bool(); }
bool False(const Value& v) { return v.is(Kind::kBool) && !v.as_bool(); }
bool Integer(const Value& v) { return v.is(Kind::kInt) || v.is(Kind::kBigInt); }
bool FloatValue(const Value& v) { return v.is(Kind::kFloat); }
bool Number(const Value& v) { return v.number(); }
bool String(const Value& v) { return v.string(); }
bool Mapping(const Value& v) { return v.is(Kind::kDict); }
bool Escaped(const Value& v) { return v.string() && v.str().markup(); }
// The class of undefined values has a __call__, if only to complain.
bool Callable(const Value& v) {
  return v.undefined() || (v.is(Kind::kHost) && v.host().callable());
}

struct NamedTest {
  std::string_view name;
  TestFunction function;
};

constexpr NamedTest kTests[] = {
    {"!=", IsUnequal},
    {"<", IsOrdered<Order::kLess>},
    {"<=", IsOrdered<Order::kLessEqual>},
    {"==", IsEqual},
    {">", IsOrdered<Order::kGreater>},
    {">=", IsOrdered<Order::kGreaterEqual>},
    {"boolean", Is<Boolean>},
    {"callable", Is<Callable>},
    {"defined", Is<Defined>},
    {"divisibleby", IsDivisibleBy},
    {"eq", IsEqual},
    {"equalto", IsEqual},
    {"escaped", Is<Escaped>},
    {"even", IsEven},
    {"false", Is<False>},
    {"filter", IsFilterName},
    {"float", Is<FloatValue>},
    {"ge", IsOrdered<Order::kGreaterEqual>},
    {"greaterthan", IsOrdered<Order::kGreater>},
    {"gt", IsOrdered<Order::kGreater>},
    {"in", IsIn},
    {"integer", Is<Integer>},
    {"iterable", IsIterable},
    {"le", IsOrdered<Order::kLessEqual>},
    {"lessthan", IsOrdered<Order::kLess>},
    {"lower", IsLowerCase},
    {"lt", IsOrdered<Order::kLess>},
    {"mapping", Is<Mapping>},
    {"ne", IsUnequal},
    {"none", Is<None>},
    {"number", Is<Number>},
    {"odd", IsOdd},
    {"sameas", IsSameAs},
    {"sequence", IsSequence},
    {"string", Is<String>},
    {"test", IsTestName},
    {"true", Is<True>},
    {"undefined", Is<NotDefined>},
    {"upper", IsUpperCase},
};

}  // namespace

TestFunction FindTest(std::string_view name) {
  const auto* it =
      std::lower_bound(std::begin(kTests), std::end(kTests), name,
                       [](const NamedTest& t, std::string_view n) { return t.name < n; });
  return it != std::end(kTests) && it->name == name ? it->function : nullptr;
}

}  // namespace quarry::jinja
