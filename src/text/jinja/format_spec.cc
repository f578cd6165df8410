// The format specification mini-language.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/error.h"
#include "text/jinja/float_text.h"
#include "text/jinja/format.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

constexpr int64_t kLongestNumber = 1 << 16;  // width and precision of numbers

struct Spec {
  std::string fill = " ";
  char align = 0;
  char sign = 0;
  bool alternate = false;
  bool zero = false;
  int64_t width = 0;
  char grouping = 0;
  int64_t precision = -1;
  char type = 0;
};

int64_t ReadNumber(std::string_view& text) {
  int64_t n = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    n = std::min<int64_t>(n * 10 + (text[0] - '0'), 1 << 30);
    text.remove_prefix(1);
  }
  return n;
}

bool IsAlign(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

Spec ParseSpec(std::string_view text, const Value& value) {
  const std::string whole(text);
  Spec spec;
  if (!text.empty()) {
    const auto first = static_cast<size_t>(CharAt(text, 0).length);
    if (text.size() > first && IsAlign(text[first])) {
      spec.fill = text.substr(0, first);
      spec.align = text[first];
      text.remove_prefix(first + 1);
    } else if (IsAlign(text[0])) {
      spec.align = text[0];
      text.remove_prefix(1);
    }
  }
  const auto take = [&](std::string_view any_of) -> char {
    if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return 0;
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  spec.sign = take("+- ");
  spec.alternate = take("#") != 0;
  if (take("0") != 0) {
    spec.zero = true;
    if (spec.align == 0) {
      spec.fill = "0";
      if (!value.string()) spec.align = '=';
    }
  }
  spec.width = ReadNumber(text);
  spec.grouping = take(",_");
  if (take(".") != 0) {
    if (text.empty() || text[0] < '0' || text[0] > '9')
      ThrowValue("Format specifier missing precision");
    spec.precision = ReadNumber(text);
  }
  if (text.size() == 1) {
    spec.type = text[0];
  } else if (!text.empty()) {
    ThrowValue(fmt::format("Invalid format specifier '{}' for object of type '{}'", whole,
                           TypeName(value)));
  }
  return spec;
}

[[noreturn]] void UnknownType(const Spec& spec, const Value& value) {
  ThrowValue(
      fmt::format("Unknown format code '{}' for object of type '{}'", spec.type, TypeName(value)));
}

// Groups of `size` digits, from the right.
std::string Group(const std::string& digits, char separator, size_t size) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out;
}

// A number taken apart: sign or prefix, digits before the point, the rest.
struct NumberText {
  std::string sign;
  std::string digits;
  std::string rest;
};

void EmitNumber(NumberText number, const Spec& spec, bool from_user, StrBuilder& out) {
  const size_t group =
      spec.grouping == '_' && std::string_view("bBoxX").find(spec.type) != std::string_view::npos &&
              spec.type != 0
          ? 4
          : 3;
  const auto grouped = [&] {
    return spec.grouping != 0 ? Group(number.digits, spec.grouping, group) : number.digits;
  };
  // Zeros of the padding take part in the grouping.
  if (spec.grouping != 0 && spec.align == '=' && spec.fill == "0") {
    while (static_cast<int64_t>(number.sign.size() + grouped().size() + number.rest.size()) <
           spec.width) {
      const size_t more = static_cast<size_t>(spec.width) -
                          (number.sign.size() + grouped().size() + number.rest.size());
      number.digits.insert(0, more > 8 ? more / 2 : 1, '0');
    }
  }
  const std::string body = grouped() + number.rest;
  const auto size = static_cast<int64_t>(number.sign.size() + body.size());
  const int64_t padding = std::max<int64_t>(spec.width - size, 0);
  const char align = spec.align == 0 ? '>' : spec.align;
  const int64_t left = align == '>' || align == '=' ? padding : align == '^' ? padding / 2 : 0;
  const auto pad = [&](int64_t n) {
    for (int64_t i = 0; i < n; ++i) out.Append(spec.fill, from_user);
  };
  if (align == '=') {
    out.Append(number.sign, from_user);
    pad(left);
  } else {
    pad(left);
    out.Append(number.sign, from_user);
  }
  out.Append(body, from_user);
  pad(padding - left);
}

std::string SignOf(bool negative, const Spec& spec) {
  if (negative) return "-";
  return spec.sign == '+' || spec.sign == ' ' ? std::string(1, spec.sign) : "";
}

void FormatFloatValue(double value, Spec spec, bool from_user, StrBuilder& out) {
  NumberText number;
  number.sign = SignOf(std::signbit(value) && !std::isnan(value), spec);
  const double magnitude = std::fabs(value);
  std::string text;
  const auto precision = static_cast<int>(spec.precision);
  if (spec.type == 0) {
    text = spec.precision < 0 ? FloatRepr(magnitude)
                              : FormatFloat(magnitude, 'r', precision, spec.alternate);
  } else if (spec.type == '%') {
    text = FormatFloat(magnitude * 100, 'f', precision < 0 ? 6 : precision, spec.alternate) + "%";
  } else {
    const char type = spec.type == 'n' ? 'g' : spec.type;
    text = FormatFloat(magnitude, type, precision < 0 ? 6 : precision, spec.alternate);
  }
  const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  number.digits = text.substr(0, end);
  number.rest = text.substr(end);
  if (number.digits.empty()) {  // inf, nan
    std::swap(number.digits, number.rest);
    spec.grouping = 0;
  }
  EmitNumber(std::move(number), spec, from_user, out);
}

void FormatInteger(Runtime& rt, const Value& value, const Spec& spec, bool from_user,
                   StrBuilder& out) {
  if (spec.precision >= 0) ThrowValue("Precision not allowed in integer format specifier");
  NumberText number;
  number.sign = SignOf(CompareToZero(value) < 0, spec);
  int base = 10;
  switch (spec.type) {
    case 0:
    case 'd':
    case 'n':
      break;
    case 'b':
      base = 2;
      break;
    case 'o':
      base = 8;
      break;
    case 'x':
    case 'X':
      base = 16;
      break;
    case 'c': {
      const int64_t code = ToIndex(value);
      if (code < 0 || code > 0x10FFFF) {
        Throw(ErrorKind::kOverflow, "%c arg not in range(0x110000)");
      }
      if (code >= 0xD800 && code <= 0xDFFF) ThrowValue("%c arg is half of a surrogate pair");
      AppendUtf8(static_cast<char32_t>(code), number.rest);
      return EmitNumber(std::move(number), spec, from_user, out);
    }
    default:
      UnknownType(spec, value);
  }
  if (base != 10 && spec.grouping == ',') {
    ThrowValue(fmt::format("Cannot specify ',' with '{}'.", spec.type));
  }
  if (spec.alternate && base != 10) number.sign += std::string("0") + spec.type;
  number.digits = Digits(rt, value, base, spec.type == 'X');
  EmitNumber(std::move(number), spec, from_user, out);
}

void FormatString(Runtime& rt, const StrPtr& s, const Spec& spec, bool from_user, StrBuilder& out) {
  if (spec.type != 0 && spec.type != 's') UnknownType(spec, Value::Of(s));
  if (spec.sign != 0) ThrowValue("Sign not allowed in string format specifier");
  if (spec.alternate) ThrowValue("Alternate form (#) not allowed in string format specifier");
  if (spec.align == '=') ThrowValue("'=' alignment not allowed in string format specifier");
  if (spec.grouping != 0) ThrowValue(fmt::format("Cannot specify '{}' with 's'.", spec.grouping));
  const StrPtr shown =
      spec.precision >= 0 ? SliceChars(rt, *s, 0, static_cast<size_t>(spec.precision)) : s;
  const int64_t padding = std::max<int64_t>(spec.width - static_cast<int64_t>(shown->size()), 0);
  const int64_t left = spec.align == '>' ? padding : spec.align == '^' ? padding / 2 : 0;
  rt.heap().Reserve(static_cast<size_t>(padding));
  rt.Step(static_cast<uint64_t>(padding) / 4);
  for (int64_t i = 0; i < left; ++i) out.Append(spec.fill, from_user);
  out.Append(*shown);
  for (int64_t i = left; i < padding; ++i) out.Append(spec.fill, from_user);
}

}  // namespace

std::string Digits(Runtime& rt, const Value& integer, int base, bool upper) {
  BigInt rest = integer.is(Kind::kBigInt) ? integer.as_big() : BigInt(integer.as_int());
  if (rest.negative()) rest = rest.Negated();
  if (base == 10) return rest.ToString();
  if (rest.is_zero()) return "0";
  std::string out;
  const BigInt divisor(base);
  while (!rest.is_zero()) {
    rt.Step(1 + rest.digits() / 8);
    BigInt digit;
    BigInt::FloorDivMod(BigInt(rest), divisor, &rest, &digit);
    const auto d = static_cast<size_t>(*digit.ToInt64());
    out += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[d];
  }
  std::reverse(out.begin(), out.end());
  return out;
}

void FormatValue(Runtime& rt, const Value& value, std::string_view text, bool spec_from_user,
                 StrBuilder& out) {
  if (text.empty()) return AppendStr(rt, value, out);
  if (!value.number() && !value.string()) {
    ThrowType(fmt::format("unsupported format string passed to {}.__format__", TypeName(value)));
  }
  const Spec spec = ParseSpec(text, value);
  const bool from_user = spec_from_user || value.from_user();
  if (value.string()) return FormatString(rt, value.str_ptr(), spec, from_user, out);
  if (spec.width > kLongestNumber || spec.precision > kLongestNumber) {
    ThrowValue(fmt::format("width or precision {} of a number, at most {} are supported",
                           std::max(spec.width, spec.precision), kLongestNumber));
  }
  rt.heap().StepBytes(static_cast<size_t>(spec.width + std::max<int64_t>(spec.precision, 0)));
  if (value.is(Kind::kFloat) && std::string_view("eEfFgGn%").find(spec.type) == kNotFound &&
      spec.type != 0) {
    UnknownType(spec, value);
  }
  const bool as_float =
      value.is(Kind::kFloat) ||
      (spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) != kNotFound);
  if (as_float) return FormatFloatValue(ToDouble(value), spec, from_user, out);
  FormatInteger(rt, value, spec, from_user, out);
}

}  // namespace quarry::jinja
