#include "text/jinja/float_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>

namespace quarry::jinja {
namespace {

// Decimal exponent of the first digit that is not 0, for numbers that from_chars found too large
// or too small.
bool IsHuge(std::string_view text) {
  int64_t exponent = 0;
  const size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    for (char c : digits.substr(0, 12)) exponent = exponent * 10 + (c - '0');
    if (negative) exponent = -exponent;
    text = text.substr(0, e);
  }
  const size_t point = std::min(text.find('.'), text.size());
  const size_t first = text.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  return exponent + static_cast<int64_t>(point) - static_cast<int64_t>(first) > 0;
}

std::string ToChars(double value, std::chars_format format, int precision) {
  // %f of the largest double has 309 digits before the point.
  std::string out(static_cast<size_t>(precision) + 330, '\0');
  const auto end = std::to_chars(out.data(), out.data() + out.size(), value, format, precision);
  out.resize(static_cast<size_t>(end.ptr - out.data()));
  return out;
}

void StripZeros(std::string& text) {
  const size_t e = std::min(text.find('e'), text.size());
  if (text.find('.') > e) return;
  size_t keep = e;
  while (text[keep - 1] == '0') --keep;
  if (text[keep - 1] == '.') --keep;
  text.erase(keep, e - keep);
}

std::string General(double value, int precision, bool alternate, bool point) {
  precision = std::max(precision, 1);
  std::string text = ToChars(value, std::chars_format::scientific, precision - 1);
  const int exponent = std::stoi(text.substr(text.find('e') + 1));
  const bool fixed = exponent >= -4 && exponent < precision - (point ? 1 : 0);
  if (fixed) {
    text = ToChars(value, std::chars_format::fixed, precision - 1 - exponent);
  }
  if (!alternate) {
    StripZeros(text);
  } else if (text.find('.') == std::string::npos) {
    text.insert(std::min(text.find('e'), text.size()), ".");
  }
  if (point && fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace

double ParseDecimal(std::string_view text) {
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    return IsHuge(text) ? std::numeric_limits<double>::infinity() : 0.0;
  }
  return value;
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string text(buffer, end.ptr);
  const size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  std::string digits;
  for (char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  std::string out = std::signbit(value) ? "-" : "";
  if (exponent < -4 || exponent >= 16) return out + text.substr(out.size());
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string FormatFloat(double value, char type, int precision, bool alternate) {
  const bool upper = type >= 'A' && type <= 'Z';
  std::string text;
  if (!std::isfinite(value)) {
    text = std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  } else if (type == 'f' || type == 'F') {
    text = ToChars(value, std::chars_format::fixed, precision);
    if (alternate && precision == 0) text += '.';
  } else if (type == 'e' || type == 'E') {
    text = ToChars(value, std::chars_format::scientific, precision);
    if (alternate && precision == 0) text.insert(text.find('e'), ".");
  } else {
    text = General(value, precision, alternate, type == 'r');
  }
  if (upper) {
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return text;
}

double RoundFloat(double value, int digits) {
  if (!std::isfinite(value) || value == 0) return value;
  if (digits > 330) return value;
  if (digits < -310) return std::copysign(0.0, value);
  if (digits >= 0) {
    const std::string text = ToChars(std::fabs(value), std::chars_format::fixed, digits);
    return std::copysign(ParseDecimal(text), value);
  }
  // Cut so many digits off the exact integer part, and let a sticky digit speak for the fraction.
  std::string text = ToChars(std::fabs(std::trunc(value)), std::chars_format::fixed, 0);
  const auto cut = static_cast<size_t>(-digits);
  if (text.size() < cut) return std::copysign(0.0, value);
  std::string tail = text.substr(text.size() - cut);
  text.resize(text.size() - cut);
  const bool odd = !text.empty() && (text.back() - '0') % 2 == 1;
  const std::string half = "5" + std::string(cut - 1, '0');
  const bool fraction = std::trunc(value) != value;
  const bool up = tail > half || (tail == half && (fraction || odd));
  if (up) {
    size_t i = text.size();
    while (i > 0 && text[i - 1] == '9') text[--i] = '0';
    if (i > 0) {
      ++text[i - 1];
    } else {
      text.insert(0, "1");
    }
  }
  return std::copysign(text.empty() ? 0 : ParseDecimal(text + "e" + std::to_string(cut)), value);
}

}  // namespace quarry::jinja
