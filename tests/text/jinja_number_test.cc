// Integers of any size, floats as text, times.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "tests/text/jinja_support.h"
#include "text/jinja/bigint.h"
#include "text/jinja/float_text.h"
#include "text/jinja/strftime.h"

namespace quarry::jinja {
namespace {

__extension__ using Int128 = __int128;

BigInt Big(Int128 v) {
  const bool negative = v < 0;
  std::string digits;
  do {
    const int d = static_cast<int>(v % 10);
    digits.insert(digits.begin(), static_cast<char>('0' + (d < 0 ? -d : d)));
    v /= 10;
  } while (v != 0);
  return BigInt::FromDecimal(digits, negative);
}

// Against 128-bit arithmetic of the compiler, with operands of all sizes.
TEST(JinjaBigInt, AgreesWithNativeArithmetic) {
  uint64_t state = 12345;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto v = static_cast<int64_t>(state ^ (state >> 29));
    return v >> ((state >> 7) % 62);
  };
  for (int i = 0; i < 20000; ++i) {
    const Int128 a = next();
    const Int128 b = next();
    const BigInt x = Big(a);
    const BigInt y = Big(b);
    ASSERT_EQ(BigInt::Add(x, y).ToString(), Big(a + b).ToString());
    ASSERT_EQ(BigInt::Sub(x, y).ToString(), Big(a - b).ToString());
    ASSERT_EQ(BigInt::Mul(x, y).ToString(), Big(a * b).ToString());
    ASSERT_EQ(BigInt::Compare(x, y), a < b ? -1 : a > b ? 1 : 0);
    if (b == 0) continue;
    Int128 q = a / b;
    Int128 r = a % b;
    if (r != 0 && (r < 0) != (b < 0)) {
      --q;
      r += b;
    }
    BigInt quotient;
    BigInt remainder;
    BigInt::FloorDivMod(x, y, &quotient, &remainder);
    ASSERT_EQ(quotient.ToString(), Big(q).ToString()) << x.ToString() << " // " << y.ToString();
    ASSERT_EQ(remainder.ToString(), Big(r).ToString());
  }
}

// (q * b + r) == a for numbers of hundreds of digits.
TEST(JinjaBigInt, LongDivisionUndoesMultiplication) {
  BigInt a(7);
  for (int i = 0; i < 200; ++i) {
    a = BigInt::Add(BigInt::Mul(a, BigInt(999999937)), BigInt(i * 7919));
    const BigInt b = BigInt::Add(BigInt::Pow(BigInt(10), i / 2), BigInt(i));
    BigInt q;
    BigInt r;
    BigInt::FloorDivMod(a, b, &q, &r);
    ASSERT_EQ(BigInt::Add(BigInt::Mul(q, b), r).ToString(), a.ToString());
    ASSERT_LT(BigInt::Compare(r, b), 0);
  }
}

TEST(JinjaBigInt, DividesToTheNearestDouble) {
  const BigInt p53 = BigInt::Pow(BigInt(2), 53);
  EXPECT_EQ(BigInt::Divide(BigInt::Add(p53, BigInt(1)), BigInt(1)),
            std::ldexp(1, 53));  // tie to even
  EXPECT_EQ(BigInt::Divide(BigInt(1), BigInt(3)), 1.0 / 3);
  EXPECT_EQ(BigInt::Divide(BigInt::Pow(BigInt(10), 400), BigInt::Pow(BigInt(10), 399)), 10.0);
  EXPECT_EQ(BigInt::Divide(BigInt(-1), BigInt::Pow(BigInt(10), 30)), -1e-30);
  EXPECT_TRUE(std::isinf(BigInt::Pow(BigInt(10), 400).ToDouble()));
}

TEST(JinjaFloatText, PrintsWhatReadsBack) {
  uint64_t state = 99;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    double d = 0;
    static_assert(sizeof d == sizeof state);
    std::memcpy(&d, &state, sizeof d);
    if (!std::isfinite(d)) continue;
    ASSERT_EQ(ParseDecimal(FloatRepr(std::fabs(d))), std::fabs(d)) << FloatRepr(d);
  }
  EXPECT_EQ(ParseDecimal("1e400"), HUGE_VAL);
  EXPECT_EQ(ParseDecimal("1e-400"), 0.0);
  EXPECT_EQ(ParseDecimal("0.0000001e-330"), 0.0);
  EXPECT_EQ(ParseDecimal("100000e305"), HUGE_VAL);
}

TEST(JinjaFloatText, Rounds) {
  EXPECT_EQ(RoundFloat(2.675, 2), 2.67);
  EXPECT_EQ(RoundFloat(0.5, 0), 0.0);
  EXPECT_EQ(RoundFloat(1250.0, -2), 1200.0);
  EXPECT_EQ(RoundFloat(1250.5, -2), 1300.0);
  EXPECT_EQ(RoundFloat(-1350.0, -2), -1400.0);
  EXPECT_EQ(RoundFloat(999.0, -3), 1000.0);
  EXPECT_EQ(RoundFloat(5.0, -3), 0.0);
  EXPECT_EQ(RoundFloat(1e300, 5), 1e300);
}

TEST(JinjaTime, FormatsEveryDirective) {
  const WallTime time = std::chrono::local_days(std::chrono::year(2021) / 1 / 3) +
                        std::chrono::hours(9) + std::chrono::minutes(5) + std::chrono::seconds(7) +
                        std::chrono::microseconds(42);
  constexpr Example kTable[] = {
      {"%Y-%m-%d %H:%M:%S.%f", "2021-01-03 09:05:07.000042"},
      {"%a %A %b %B %h", "Sun Sunday Jan January Jan"},
      {"%d %-d %_d %e %j", "03 3  3  3 003"},
      {"%I %l %k %p %P", "09  9  9 AM am"},
      {"%U %W %V %G %g %u %w", "01 00 53 2020 20 7 0"},
      {"%c|%x|%X|%D|%F|%T|%R|%r",
       "Sun Jan  3 09:05:07 2021|01/03/21|09:05:07|01/03/21|2021-01-03|"
       "09:05:07|09:05|09:05:07 AM"},
      {"%^a %5d %y %C %% %z%Z%n%t", "SUN 00003 21 20 % \n\t"},
      {"%q %", "%q %"},
  };
  for (const Example& e : kTable) EXPECT_EQ(FormatTime(e.source, time), e.want) << e.source;
}

TEST(JinjaJson, ReadsWhatPythonReads) {
  EXPECT_EQ(Render("{{ x }}",
                   R"({"x": [12345678901234567890123, -5, 1.0, 1e2, true, null, "\ud83d\ude00"]})"),
            "[12345678901234567890123, -5, 1.0, 100.0, True, None, '\xF0\x9F\x98\x80']");
  // Of repeated keys the first gives the place, the last the value.
  EXPECT_EQ(Render("{{ x }}", R"({"x": {"a": 1, "b": 2, "a": 3}})"), "{'a': 3, 'b': 2}");
}

}  // namespace
}  // namespace quarry::jinja
