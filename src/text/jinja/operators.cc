#include "text/jinja/operators.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/error.h"
#include "text/jinja/format.h"
#include "text/jinja/html.h"
#include "text/jinja/iterate.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"

namespace quarry::jinja {
namespace {

const char* Symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSub:
      return "-";
    case BinaryOp::kMul:
      return "*";
    case BinaryOp::kDiv:
      return "/";
    case BinaryOp::kFloorDiv:
      return "//";
    case BinaryOp::kMod:
      return "%";
    case BinaryOp::kPow:
      return "** or pow()";
  }
  return "+";
}

[[noreturn]] void NoOperation(BinaryOp op, const Value& a, const Value& b) {
  if (op == BinaryOp::kAdd && (a.string() || a.sequence())) {
    ThrowType(fmt::format("can only concatenate {} (not \"{}\") to {}", TypeName(a), TypeName(b),
                          TypeName(a)));
  }
  if (op == BinaryOp::kMul && (a.string() || a.sequence() || b.string() || b.sequence())) {
    const Value& other = a.string() || a.sequence() ? b : a;
    ThrowType(fmt::format("can't multiply sequence by non-int of type '{}'", TypeName(other)));
  }
  ThrowType(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", Symbol(op),
                        TypeName(a), TypeName(b)));
}

Value ConcatStrings(Runtime& rt, const Value& a, const Value& b) {
  const bool markup = a.str().markup() || b.str().markup();
  StrBuilder out(rt.heap(), markup);
  out.Append(markup ? *Escape(rt, a) : a.str());
  out.Append(markup ? *Escape(rt, b) : b.str());
  return Value::Of(out.Finish());
}

Value ConcatLists(Runtime& rt, const Value& a, const Value& b) {
  ListBuilder out(rt.heap());
  for (const Value& item : a.list().items()) out.Push(item);
  for (const Value& item : b.list().items()) out.Push(item);
  return a.is(Kind::kList) ? out.FinishList() : out.FinishTuple();
}

Value RepeatList(Runtime& rt, const Value& list, int64_t n) {
  ListBuilder out(rt.heap());
  if (list.list().size() == 0) n = 0;
  for (int64_t i = 0; i < n; ++i) {
    rt.heap().StepItems(list.list().size());
    for (const Value& item : list.list().items()) out.Push(item);
  }
  return list.is(Kind::kList) ? out.FinishList() : out.FinishTuple();
}

Value Multiply(Runtime& rt, const Value& a, const Value& b) {
  const Value& sequence = a.string() || a.sequence() ? a : b;
  const Value& times = &sequence == &a ? b : a;
  if (!times.integral()) NoOperation(BinaryOp::kMul, a, b);
  const int64_t n = ToIndex(times);
  if (sequence.string()) return Value::Of(Repeat(rt, sequence.str(), n));
  return RepeatList(rt, sequence, n);
}

}  // namespace

Value Binary(Runtime& rt, BinaryOp op, const Value& a, const Value& b) {
  if (a.number() && b.number()) return Arithmetic(rt, op, a, b);
  if (op == BinaryOp::kMod && a.string()) return FormatPercent(rt, a.str(), b);
  CheckDefined(a);
  CheckDefined(b);
  if (op == BinaryOp::kAdd) {
    if (a.string() && b.string()) return ConcatStrings(rt, a, b);
    if (a.sequence() && a.kind() == b.kind()) return ConcatLists(rt, a, b);
  }
  if (op == BinaryOp::kMul && (a.string() || a.sequence() || b.string() || b.sequence())) {
    return Multiply(rt, a, b);
  }
  NoOperation(op, a, b);
}

Value Minus(Runtime& rt, const Value& v) {
  CheckDefined(v);
  if (!v.number()) ThrowType(fmt::format("bad operand type for unary -: '{}'", TypeName(v)));
  return Negate(rt, v);
}

Value Plus(Runtime& rt, const Value& v) {
  CheckDefined(v);
  if (!v.number()) ThrowType(fmt::format("bad operand type for unary +: '{}'", TypeName(v)));
  return v.is(Kind::kBool) ? ToInteger(rt, v) : v;
}

Value Concat(Runtime& rt, std::span<const Value> values) {
  const bool escape =
      rt.autoescape() && std::any_of(values.begin(), values.end(),
                                     [](const Value& v) { return v.string() && v.str().markup(); });
  StrBuilder out(rt.heap(), escape);
  for (const Value& v : values) {
    if (escape) {
      out.Append(*Escape(rt, v));
    } else {
      AppendStr(rt, v, out);
    }
  }
  return Value::Of(out.Finish());
}

}  // namespace quarry::jinja
