// Numbers: arithmetic and conversions with Python's rules. Integers grow as needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

enum class BinaryOp { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };

// REQUIRES: both number(). Throws kZeroDivision and kOverflow as Python does.
Value Arithmetic(Runtime& rt, BinaryOp op, const Value& a, const Value& b);
Value Negate(Runtime& rt, const Value& v);    // REQUIRES: v.number()
Value Absolute(Runtime& rt, const Value& v);  // REQUIRES: v.number()

// The nearest double. Throws kOverflow if there is none. REQUIRES: v.number().
double ToDouble(const Value& v);

// -1, 0, 1. REQUIRES: v.integral().
int CompareToZero(const Value& v);

BigInt BigIntFromFloat(double whole);  // REQUIRES: finite; the fraction is dropped

// int(text, base) and float(text): surrounding space, a sign, underscores between digits and
// digits of any script are fine. nullopt if the text is no such number. base: 0 or 2 to 36.
std::optional<Value> ParseInt(Runtime& rt, std::string_view text, int64_t base);
std::optional<double> ParseFloat(std::string_view text);

// int(v) of a number: floats lose their fraction. Throws kValue for NaN and kOverflow for infinity.
Value ToInteger(Runtime& rt, const Value& v);

// The value of an integer argument such as a width, limited to what int64_t holds (larger ones
// saturate). Throws kType with "'float' object cannot be interpreted as an integer".
int64_t ToIndex(const Value& v);

}  // namespace quarry::jinja
