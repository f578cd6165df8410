// Integers of any size up to kMaxIntDigits decimal digits: Python's int where int64_t ends.
// Schoolbook arithmetic in base 10^9: templates meet such numbers in JSON, hardly ever compute
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quarry::jinja {

class BigInt {
 public:
  BigInt() = default;
  explicit BigInt(int64_t value);
  // REQUIRES: digits only, at least one.
  static BigInt FromDecimal(std::string_view digits, bool negative);

  bool negative() const { return negative_; }
  bool is_zero() const { return limbs_.empty(); }
  bool odd() const { return !limbs_.empty() && limbs_[0] % 2 == 1; }
  size_t digits() const;
  std::string ToString() const;
  // The value if it fits.
  std::optional<int64_t> ToInt64() const;
  // The nearest double, infinite if too large.
  double ToDouble() const;

  // -1, 0, 1.
  static int Compare(const BigInt& a, const BigInt& b);

  BigInt Negated() const;
  static BigInt Add(const BigInt& a, const BigInt& b);
  static BigInt Sub(const BigInt& a, const BigInt& b) { return Add(a, b.Negated()); }
  // Throws kOverflow above kMaxIntDigits.
  static BigInt Mul(const BigInt& a, const BigInt& b);
  // Rounds towards minus infinity; the remainder has the sign of b. REQUIRES: b is not zero.
  static void FloorDivMod(const BigInt& a, const BigInt& b, BigInt* quotient, BigInt* remainder);
  // Throws kOverflow above kMaxIntDigits. REQUIRES: exponent >= 0.
  static BigInt Pow(BigInt base, int64_t exponent);
  // a / b as Python's true division: correctly rounded. REQUIRES: b is not zero.
  static double Divide(const BigInt& a, const BigInt& b);

 private:
  static int CompareMagnitude(const BigInt& a, const BigInt& b);
  static BigInt TimesDigit(const BigInt& a, uint32_t digit);
  void Trim();

  bool negative_ = false;        // never with zero
  std::vector<uint32_t> limbs_;  // base 10^9, least significant first, no leading zeros
};

}  // namespace quarry::jinja
