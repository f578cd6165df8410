// Filters on numbers.
#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "text/jinja/compare.h"
#include "text/jinja/error.h"
#include "text/jinja/filter_functions.h"
#include "text/jinja/float_text.h"
#include "text/jinja/number.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja::filters {
namespace {

// float(v) where it can be had.
std::optional<double> AsFloat(const Value& v) {
  CheckDefined(v);
  if (v.number()) return ToDouble(v);
  if (v.string()) return ParseFloat(v.view());
  return std::nullopt;
}

bool FromUser(const Value& v) { return v.string() ? v.str().any_user() : v.from_user(); }

}  // namespace

Value Abs(Runtime& rt, const Value& in, const Args& args) {
  const Params p("abs", args, {});
  if (!in.number()) ThrowType(fmt::format("bad operand type for abs(): '{}'", TypeName(in)));
  return Absolute(rt, in);
}

Value Int(Runtime& rt, const Value& in, const Args& args) {
  const Params p("int", args, {"default", "base"});
  const Value otherwise = p.Or(0, Value::Int(0));
  CheckDefined(in);
  if (in.number() && !(in.is(Kind::kFloat) && std::isnan(in.as_float()))) return ToInteger(rt, in);
  if (!in.string()) return otherwise;
  if (auto whole = ParseInt(rt, in.view(), p.Int(1, 10))) return whole->FromUser(FromUser(in));
  const auto number = ParseFloat(in.view());
  if (!number || !std::isfinite(*number)) return otherwise;
  return ToInteger(rt, Value::Float(*number)).FromUser(FromUser(in));
}

Value Float(Runtime&, const Value& in, const Args& args) {
  const Params p("float", args, {"default"});
  const auto number = AsFloat(in);
  return number ? Value::Float(*number).FromUser(FromUser(in)) : p.Or(0, Value::Float(0));
}

Value Round(Runtime& rt, const Value& in, const Args& args) {
  const Params p("round", args, {"precision", "method"});
  const int64_t precision = p.Int(0, 0);
  const std::string_view method = p.given(1) ? p.Text(1).view() : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    Throw(ErrorKind::kRuntime, "method must be common, ceil or floor");
  }
  if (!in.number()) {
    ThrowType(fmt::format("type {} doesn't define __round__ method", TypeName(in)));
  }
  const auto digits = static_cast<int>(std::clamp<int64_t>(precision, -5000, 5000));
  if (method == "common" && in.is(Kind::kFloat)) {
    return Value::Float(RoundFloat(in.as_float(), digits)).FromUser(in.from_user());
  }
  const Value ten = Value::Int(10);
  if (method == "common") {
    if (precision >= 0) return ToInteger(rt, in);
    // To the nearest multiple, halves to the even one.
    const Value unit = Arithmetic(rt, BinaryOp::kPow, ten, Value::Int(-digits));
    const Value rest = Arithmetic(rt, BinaryOp::kMod, in, unit);
    const Value low = Arithmetic(rt, BinaryOp::kSub, in, rest);
    const int half = CompareNumbers(Arithmetic(rt, BinaryOp::kMul, rest, Value::Int(2)), unit);
    const Value quotient = Arithmetic(rt, BinaryOp::kFloorDiv, low, unit);
    const Value odd = Arithmetic(rt, BinaryOp::kMod, quotient, Value::Int(2));
    const bool up = half > 0 || (half == 0 && CompareToZero(odd) != 0);
    return up ? Arithmetic(rt, BinaryOp::kAdd, low, unit) : low;
  }
  const Value scale = Arithmetic(rt, BinaryOp::kPow, ten, Value::Int(digits));
  Value scaled = Arithmetic(rt, BinaryOp::kMul, in, scale);
  if (scaled.is(Kind::kFloat)) {
    const double d = scaled.as_float();
    scaled = ToInteger(rt, Value::Float(method == "ceil" ? std::ceil(d) : std::floor(d)))
                 .FromUser(in.from_user());
  }
  return Arithmetic(rt, BinaryOp::kDiv, scaled, scale);
}

Value FileSizeFormat(Runtime& rt, const Value& in, const Args& args) {
  const Params p("filesizeformat", args, {"binary"});
  const auto bytes = AsFloat(in);
  if (!bytes) ThrowValue(fmt::format("could not convert {} to float", TypeName(in)));
  const bool binary = p.Bool(rt, 0, false);
  const double base = binary ? 1024 : 1000;
  const bool from_user = FromUser(in);
  if (*bytes == 1) return rt.Str("1 Byte", from_user);
  if (*bytes < base) {
    const Value whole = ToInteger(rt, Value::Float(*bytes));
    return rt.Str(fmt::format("{} Bytes", whole.as_int()), from_user);
  }
  constexpr std::string_view kLetters = "kMGTPEZY";
  double unit = base * base;
  size_t i = 0;
  for (; i + 1 < kLetters.size() && *bytes >= unit; ++i) unit *= base;
  const char letter = binary && kLetters[i] == 'k' ? 'K' : kLetters[i];
  const std::string number = FormatFloat(base * *bytes / unit, 'f', 1);
  return rt.Str(fmt::format("{} {}{}", number, letter, binary ? "iB" : "B"), from_user);
}

}  // namespace quarry::jinja::filters
