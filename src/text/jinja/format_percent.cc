// The % operator of str.
#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/float_text.h"
#include "text/jinja/format.h"
#include "text/jinja/html.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"

namespace quarry::jinja {
namespace {

constexpr int64_t kLongestNumber = 1 << 16;

struct Directive {
  bool left = false;
  bool plus = false;
  bool space = false;
  bool alternate = false;
  bool zero = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& rt, const Str& format, const Value& values)
      : rt_(rt), format_(format), text_(format.view()), values_(values) {}

  Value Run();

 private:
  char Peek() const {
    if (pos_ >= text_.size()) ThrowValue("incomplete format");
    return text_[pos_];
  }
  Value NextValue();
  Value NamedValue();
  int64_t NumberOrStar();
  Directive ReadDirective(Value* named);
  void Emit(const Directive& d, const Value& value, StrBuilder& out);
  void EmitText(const Directive& d, const StrPtr& text, StrBuilder& out);
  void EmitNumber(const Directive& d, const Value& value, StrBuilder& out);

  Runtime& rt_;
  const Str& format_;
  std::string_view text_;
  const Value& values_;
  size_t pos_ = 0;
  size_t used_ = 0;
};

Value PercentFormatter::NextValue() {
  const bool tuple = values_.is(Kind::kTuple);
  const size_t n = tuple ? values_.list().size() : 1;
  if (used_ >= n) ThrowType("not enough arguments for format string");
  ++used_;
  return tuple ? values_.list()[used_ - 1] : values_;
}

Value PercentFormatter::NamedValue() {
  if (!values_.is(Kind::kDict)) ThrowType("format requires a mapping");
  const size_t begin = ++pos_;
  for (int open = 1; open > 0; ++pos_) {
    if (pos_ >= text_.size()) ThrowValue("incomplete format key");
    if (text_[pos_] == '(') ++open;
    if (text_[pos_] == ')') --open;
  }
  const std::string_view key = text_.substr(begin, pos_ - 1 - begin);
  const Value* value = values_.dict().Find(key);
  if (value == nullptr) Throw(ErrorKind::kLookup, fmt::format("'{}'", key));
  return *value;
}

int64_t PercentFormatter::NumberOrStar() {
  if (Peek() == '*') {
    ++pos_;
    const Value value = NextValue();
    if (!value.integral()) ThrowType("* wants int");
    return std::clamp<int64_t>(ToIndex(value), -(1 << 30), 1 << 30);
  }
  int64_t n = 0;
  for (; Peek() >= '0' && Peek() <= '9'; ++pos_) {
    n = std::min<int64_t>(n * 10 + (Peek() - '0'), 1 << 30);
  }
  return n;
}

Directive PercentFormatter::ReadDirective(Value* named) {
  Directive d;
  if (Peek() == '(') *named = NamedValue();
  for (;; ++pos_) {
    switch (Peek()) {
      case '-':
        d.left = true;
        continue;
      case '+':
        d.plus = true;
        continue;
      case ' ':
        d.space = true;
        continue;
      case '#':
        d.alternate = true;
        continue;
      case '0':
        d.zero = true;
        continue;
      default:
        break;
    }
    break;
  }
  d.width = NumberOrStar();
  if (d.width < 0) {
    d.left = true;
    d.width = -d.width;
  }
  if (Peek() == '.') {
    ++pos_;
    d.precision = std::max<int64_t>(NumberOrStar(), 0);
  }
  if (Peek() == 'h' || Peek() == 'l' || Peek() == 'L') ++pos_;
  d.type = Peek();
  ++pos_;
  return d;
}

void PercentFormatter::EmitText(const Directive& d, const StrPtr& text, StrBuilder& out) {
  const StrPtr cut =
      d.precision >= 0 ? SliceChars(rt_, *text, 0, static_cast<size_t>(d.precision)) : text;
  const Value space = rt_.Str(" ", format_.any_user());
  out.Append(*Pad(rt_, cut, d.width, space.str(), d.left ? Align::kLeft : Align::kRight));
}

void PercentFormatter::EmitNumber(const Directive& d, const Value& value, StrBuilder& out) {
  if (d.width > kLongestNumber || d.precision > kLongestNumber) {
    ThrowValue(fmt::format("width or precision {} of a number, at most {} are supported",
                           std::max(d.width, d.precision), kLongestNumber));
  }
  rt_.heap().StepBytes(static_cast<size_t>(d.width + std::max<int64_t>(d.precision, 0)));
  const bool integer = std::string_view("diuxXo").find(d.type) != std::string_view::npos;
  std::string sign;
  std::string digits;
  bool negative = false;
  if (integer) {
    const bool strict = d.type == 'x' || d.type == 'X' || d.type == 'o';
    if (!value.number() || (strict && !value.integral())) {
      CheckDefined(value);
      ThrowType(fmt::format("%{} format: {} is required, not {}", d.type,
                            strict ? "an integer" : "a real number", TypeName(value)));
    }
    const Value whole = ToInteger(rt_, value);
    negative = CompareToZero(whole) < 0;
    digits = Digits(rt_, whole, d.type == 'o' ? 8 : strict ? 16 : 10, d.type == 'X');
    const auto shortage = d.precision - static_cast<int64_t>(digits.size());
    if (shortage > 0) digits.insert(0, static_cast<size_t>(shortage), '0');
    if (d.alternate && strict) sign = std::string("0") + d.type;
  } else {
    if (!value.number()) {
      CheckDefined(value);
      ThrowType(fmt::format("must be real number, not {}", TypeName(value)));
    }
    const double number = ToDouble(value);
    negative = std::signbit(number) && !std::isnan(number);
    const auto precision = static_cast<int>(d.precision < 0 ? 6 : d.precision);
    digits = FormatFloat(std::fabs(number), d.type, precision, d.alternate);
  }
  sign = (negative ? "-" : d.plus ? "+" : d.space ? " " : "") + sign;
  const auto size = static_cast<int64_t>(sign.size() + digits.size());
  const auto padding = static_cast<size_t>(std::max<int64_t>(d.width - size, 0));
  const bool zeros = d.zero && !d.left;
  std::string text = sign + digits;
  if (d.left) {
    text.append(padding, ' ');
  } else if (zeros) {
    text.insert(sign.size(), padding, '0');
  } else {
    text.insert(0, padding, ' ');
  }
  out.Append(text, value.from_user() || format_.any_user());
}

void PercentFormatter::Emit(const Directive& d, const Value& value, StrBuilder& out) {
  switch (d.type) {
    case 's': {
      const StrPtr text = format_.markup() ? Escape(rt_, value) : SoftStr(rt_, value);
      return EmitText(d, text, out);
    }
    case 'r':
    case 'a': {
      StrBuilder repr(rt_.heap());
      AppendRepr(rt_, value, false, repr);
      const StrPtr text = repr.Finish();
      return EmitText(d, format_.markup() ? Escape(rt_, Value::Of(text)) : text, out);
    }
    case 'c': {
      if (value.string()) {
        if (value.str().size() != 1) ThrowType("%c requires int or char");
        return EmitText(d, value.str_ptr(), out);
      }
      if (!value.integral()) ThrowType("%c requires int or char");
      const int64_t code = ToIndex(value);
      if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        Throw(ErrorKind::kOverflow, "%c arg not in range(0x110000)");
      }
      std::string bytes;
      AppendUtf8(static_cast<char32_t>(code), bytes);
      return EmitText(d, rt_.Str(bytes, value.from_user()).str_ptr(), out);
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      return EmitNumber(d, value, out);
    default:
      ThrowValue(fmt::format("unsupported format character '{}' (0x{:x}) at index {}", d.type,
                             static_cast<unsigned char>(d.type), format_.Index(pos_ - 1)));
  }
}

Value PercentFormatter::Run() {
  StrBuilder out(rt_.heap(), format_.markup());
  while (pos_ < text_.size()) {
    rt_.Step();
    const size_t percent = std::min(text_.find('%', pos_), text_.size());
    out.Append(format_, pos_, percent);
    if (percent == text_.size()) break;
    pos_ = percent + 1;
    if (Peek() == '%') {
      out.Append(format_, pos_, pos_ + 1);
      ++pos_;
      continue;
    }
    Value value;
    const Directive d = ReadDirective(&value);
    if (d.type == '%') {
      out.Append("%", format_.any_user());
      continue;
    }
    if (value.missing()) value = NextValue();
    Emit(d, value, out);
  }
  const bool tuple = values_.is(Kind::kTuple);
  const size_t given = tuple ? values_.list().size() : 1;
  const bool mapping = values_.is(Kind::kDict) || values_.is(Kind::kList) ||
                       values_.is(Kind::kRange) || values_.undefined();
  if (used_ < given && !(mapping && !tuple)) {
    ThrowType("not all arguments converted during string formatting");
  }
  return Value::Of(out.Finish());
}

}  // namespace

Value FormatPercent(Runtime& rt, const Str& text, const Value& values) {
  return PercentFormatter(rt, text, values).Run();
}

}  // namespace quarry::jinja
