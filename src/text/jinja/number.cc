#include "text/jinja/number.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/error.h"
#include "text/jinja/float_text.h"
#include "text/jinja/runtime.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

BigInt ToBig(const Value& v) { return v.is(Kind::kBigInt) ? v.as_big() : BigInt(v.as_int()); }

bool IsZero(const Value& v) {
  if (v.is(Kind::kFloat)) return v.as_float() == 0;
  return !v.is(Kind::kBigInt) && v.as_int() == 0;
}

// Schoolbook arithmetic of up to 478 limbs is not free: a product takes some 100 us, a quotient
// 20 ms.
Value BigArithmetic(Runtime& rt, BinaryOp op, const BigInt& a, const BigInt& b) {
  Heap& heap = rt.heap();
  const bool divides = op != BinaryOp::kAdd && op != BinaryOp::kSub && op != BinaryOp::kMul;
  rt.Step(16 + a.digits() * b.digits() / (divides ? 16 : 512));
  BigInt quotient;
  BigInt remainder;
  switch (op) {
    case BinaryOp::kAdd:
      return Value::Of(heap, BigInt::Add(a, b));
    case BinaryOp::kSub:
      return Value::Of(heap, BigInt::Sub(a, b));
    case BinaryOp::kMul:
      return Value::Of(heap, BigInt::Mul(a, b));
    case BinaryOp::kFloorDiv:
    case BinaryOp::kMod:
      BigInt::FloorDivMod(a, b, &quotient, &remainder);
      return Value::Of(heap, op == BinaryOp::kMod ? std::move(remainder) : std::move(quotient));
    default:
      break;
  }
  return Value::Float(BigInt::Divide(a, b));
}

// Both quotients at once, floored. REQUIRES: b != 0 and no overflow.
std::pair<int64_t, int64_t> FloorDivMod(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  int64_t remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    --quotient;
    remainder += b;
  }
  return {quotient, remainder};
}

bool ExactAsDouble(int64_t v) { return v >= -(int64_t{1} << 53) && v <= (int64_t{1} << 53); }

Value IntArithmetic(Runtime& rt, BinaryOp op, const Value& va, const Value& vb) {
  if (!va.is(Kind::kBigInt) && !vb.is(Kind::kBigInt)) {
    const int64_t a = va.as_int();
    const int64_t b = vb.as_int();
    int64_t r = 0;
    switch (op) {
      case BinaryOp::kAdd:
        if (!__builtin_add_overflow(a, b, &r)) return Value::Int(r);
        break;
      case BinaryOp::kSub:
        if (!__builtin_sub_overflow(a, b, &r)) return Value::Int(r);
        break;
      case BinaryOp::kMul:
        if (!__builtin_mul_overflow(a, b, &r)) return Value::Int(r);
        break;
      case BinaryOp::kFloorDiv:
      case BinaryOp::kMod: {
        if (b == -1) break;  // INT64_MIN / -1
        const auto [quotient, remainder] = FloorDivMod(a, b);
        return Value::Int(op == BinaryOp::kMod ? remainder : quotient);
      }
      default:
        if (ExactAsDouble(a) && ExactAsDouble(b)) {
          return Value::Float(static_cast<double>(a) / static_cast<double>(b));
        }
    }
  }
  return BigArithmetic(rt, op, ToBig(va), ToBig(vb));
}

Value FloatPower(double base, double exponent) {
  if (base == 0 && exponent < 0) {
    Throw(ErrorKind::kZeroDivision, "0.0 cannot be raised to a negative power");
  }
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) &&
      exponent != std::floor(exponent)) {
    Throw(ErrorKind::kUnsupported, "a negative number to a fractional power is a complex number");
  }
  const double r = std::pow(base, exponent);
  if (std::isinf(r) && std::isfinite(base) && std::isfinite(exponent)) {
    Throw(ErrorKind::kOverflow, "(34, 'Numerical result out of range')");
  }
  return Value::Float(r);
}

Value FloatArithmetic(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value::Float(a + b);
    case BinaryOp::kSub:
      return Value::Float(a - b);
    case BinaryOp::kMul:
      return Value::Float(a * b);
    case BinaryOp::kDiv:
      return Value::Float(a / b);
    case BinaryOp::kPow:
      return FloatPower(a, b);
    default:
      break;
  }
  // fmod is exact; the rest is adjusted to the sign of the divisor, the quotient to whole numbers.
  double mod = std::fmod(a, b);
  double div = (a - mod) / b;
  if (mod != 0) {
    if ((b < 0) != (mod < 0)) {
      mod += b;
      div -= 1;
    }
  } else {
    mod = std::copysign(0.0, b);
  }
  if (op == BinaryOp::kMod) return Value::Float(mod);
  if (div == 0) return Value::Float(std::copysign(0.0, a / b));
  double floored = std::floor(div);
  if (div - floored > 0.5) floored += 1;
  return Value::Float(floored);
}

Value IntPower(Runtime& rt, const Value& base, const Value& exponent) {
  if (exponent.is(Kind::kBigInt)) {
    Throw(ErrorKind::kOverflow, "exponent too large");
  }
  const int64_t n = exponent.as_int();
  if (n < 0) return FloatPower(ToDouble(base), static_cast<double>(n));
  rt.Step(256);
  return Value::Of(rt.heap(), BigInt::Pow(ToBig(base), n));
}

// Text without surrounding space, digits of all scripts as ASCII. Empty if a character is neither
// ASCII nor a digit.
std::string Normalize(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    if (IsSpace(step.code_point)) {
      out += ' ';
    } else if (step.code_point < 0x80) {
      out += text[i];
    } else if (IsDecimal(step.code_point)) {
      out += static_cast<char>('0' + DecimalValue(step.code_point));
    } else {
      return "";
    }
    i += static_cast<size_t>(step.length);
  }
  const size_t first = out.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return out.substr(first, out.find_last_not_of(' ') + 1 - first);
}

// Removes underscores between digits; false if one stands elsewhere.
bool RemoveUnderscores(std::string& text) {
  const auto digit = [&](size_t i) {
    return i < text.size() &&
           ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z') ||
            (text[i] >= 'A' && text[i] <= 'Z'));
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && (i == 0 || !digit(i - 1) || !digit(i + 1))) return false;
  }
  std::erase(text, '_');
  return true;
}

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

int64_t BaseOfPrefix(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 0;
  switch (text[1]) {
    case 'x':
    case 'X':
      return 16;
    case 'o':
    case 'O':
      return 8;
    case 'b':
    case 'B':
      return 2;
    default:
      return 0;
  }
}

}  // namespace

Value Arithmetic(Runtime& rt, BinaryOp op, const Value& a, const Value& b) {
  const bool floats = a.is(Kind::kFloat) || b.is(Kind::kFloat);
  if ((op == BinaryOp::kDiv || op == BinaryOp::kFloorDiv || op == BinaryOp::kMod) && IsZero(b)) {
    Throw(ErrorKind::kZeroDivision, floats ? "float division by zero" : "division by zero");
  }
  const bool from_user = a.from_user() || b.from_user();
  Value r;
  if (floats) {
    r = FloatArithmetic(op, ToDouble(a), ToDouble(b));
  } else if (op == BinaryOp::kPow) {
    r = IntPower(rt, a, b);
  } else {
    r = IntArithmetic(rt, op, a, b);
  }
  return r.FromUser(from_user);
}

Value Negate(Runtime& rt, const Value& v) {
  Value r;
  if (v.is(Kind::kFloat)) {
    r = Value::Float(-v.as_float());
  } else if (!v.is(Kind::kBigInt) && v.as_int() != std::numeric_limits<int64_t>::min()) {
    r = Value::Int(-v.as_int());
  } else {
    r = Value::Of(rt.heap(), ToBig(v).Negated());
  }
  return r.FromUser(v.from_user());
}

Value Absolute(Runtime& rt, const Value& v) {
  if (v.is(Kind::kFloat)) return Value::Float(std::fabs(v.as_float())).FromUser(v.from_user());
  if (CompareToZero(v) < 0) return Negate(rt, v);
  return v.is(Kind::kBool) ? Value::Int(v.as_int()) : v;
}

double ToDouble(const Value& v) {
  if (v.is(Kind::kFloat)) return v.as_float();
  if (!v.is(Kind::kBigInt)) return static_cast<double>(v.as_int());
  const double d = v.as_big().ToDouble();
  if (std::isinf(d)) Throw(ErrorKind::kOverflow, "int too large to convert to float");
  return d;
}

int CompareToZero(const Value& v) {
  if (v.is(Kind::kBigInt)) return v.as_big().negative() ? -1 : 1;
  return v.as_int() < 0 ? -1 : v.as_int() > 0;
}

BigInt BigIntFromFloat(double whole) {
  std::string text = FormatFloat(std::trunc(std::fabs(whole)), 'f', 0);
  return BigInt::FromDecimal(text, whole < 0);
}

std::optional<Value> ParseInt(Runtime& rt, std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) ThrowValue("int() base must be >= 2 and <= 36, or 0");
  rt.heap().StepBytes(32 + text.size());
  std::string digits = Normalize(text);
  bool negative = false;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  const int64_t prefix = BaseOfPrefix(digits);
  if (prefix != 0 && (base == 0 || base == prefix)) {
    base = prefix;
    digits.erase(0, 2);
    if (digits.starts_with('_')) digits.erase(0, 1);
  } else if (base == 0) {
    // "012" is no number in base 0, "000" is.
    base = 10;
    if (digits.size() > 1 && digits[0] == '0' &&
        digits.find_first_not_of("0_") != std::string::npos) {
      return std::nullopt;
    }
  }
  if (digits.empty() || !RemoveUnderscores(digits)) return std::nullopt;
  for (char c : digits) {
    if (DigitValue(c) >= base) return std::nullopt;
  }
  if (base == 10) return Value::Of(rt.heap(), BigInt::FromDecimal(digits, negative));
  BigInt value;
  for (char c : digits) {
    rt.Step();
    value = BigInt::Add(BigInt::Mul(value, BigInt(base)), BigInt(DigitValue(c)));
  }
  return Value::Of(rt.heap(), negative ? value.Negated() : value);
}

std::optional<double> ParseFloat(std::string_view text) {
  std::string s = Normalize(text);
  double sign = 1;
  if (s.starts_with('-') || s.starts_with('+')) {
    if (s[0] == '-') sign = -1;
    s.erase(0, 1);
  }
  std::string lower;
  for (char c : s.substr(0, 9))
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower == "inf" || lower == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (lower == "nan") return std::numeric_limits<double>::quiet_NaN();
  size_t i = 0;
  size_t mantissa = 0;
  const auto digits = [&] {
    size_t n = 0;
    for (; i < s.size() && ((s[i] >= '0' && s[i] <= '9') || s[i] == '_'); ++i) ++n;
    return n;
  };
  mantissa += digits();
  if (i < s.size() && s[i] == '.') {
    ++i;
    mantissa += digits();
  }
  if (mantissa == 0) return std::nullopt;
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && s[i] == '+') {
      s.erase(i, 1);
    } else if (i < s.size() && s[i] == '-') {
      ++i;
    }
    if (digits() == 0) return std::nullopt;
  }
  if (i != s.size()) return std::nullopt;
  if (s.find('_') != std::string::npos) {
    for (size_t k = 0; k < s.size(); ++k) {
      const auto digit = [&](size_t at) { return at < s.size() && s[at] >= '0' && s[at] <= '9'; };
      if (s[k] == '_' && (k == 0 || !digit(k - 1) || !digit(k + 1))) return std::nullopt;
    }
    std::erase(s, '_');
  }
  return sign * ParseDecimal(s);
}

Value ToInteger(Runtime& rt, const Value& v) {
  if (v.is(Kind::kBool)) return Value::Int(v.as_int()).FromUser(v.from_user());
  if (!v.is(Kind::kFloat)) return v;
  const double d = v.as_float();
  if (std::isnan(d)) ThrowValue("cannot convert float NaN to integer");
  if (std::isinf(d)) Throw(ErrorKind::kOverflow, "cannot convert float infinity to integer");
  const Value r = std::fabs(d) < 9e18 ? Value::Int(static_cast<int64_t>(d))
                                      : Value::Of(rt.heap(), BigIntFromFloat(d));
  return r.FromUser(v.from_user());
}

int64_t ToIndex(const Value& v) {
  if (v.is(Kind::kBigInt)) {
    return v.as_big().negative() ? std::numeric_limits<int64_t>::min()
                                 : std::numeric_limits<int64_t>::max();
  }
  if (v.integral()) return v.as_int();
  CheckDefined(v);
  ThrowType(fmt::format("'{}' object cannot be interpreted as an integer", TypeName(v)));
}

}  // namespace quarry::jinja
