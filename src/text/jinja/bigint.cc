#include "text/jinja/bigint.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/error.h"
#include "text/jinja/float_text.h"
#include "text/jinja/limits.h"

namespace quarry::jinja {
namespace {

constexpr uint32_t kBase = 1'000'000'000;
constexpr size_t kLimbDigits = 9;

void CheckDigits(size_t digits) {
  if (digits > kMaxIntDigits) {
    Throw(ErrorKind::kOverflow,
          fmt::format("an integer of {} digits, at most {} are supported", digits, kMaxIntDigits));
  }
}

}  // namespace

BigInt::BigInt(int64_t value) : negative_(value < 0) {
  uint64_t magnitude = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  for (; magnitude != 0; magnitude /= kBase)
    limbs_.push_back(static_cast<uint32_t>(magnitude % kBase));
}

BigInt BigInt::FromDecimal(std::string_view digits, bool negative) {
  const size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  digits.remove_prefix(first);
  CheckDigits(digits.size());
  BigInt r;
  r.negative_ = negative;
  for (size_t end = digits.size(); end > 0;) {
    const size_t begin = end > kLimbDigits ? end - kLimbDigits : 0;
    uint32_t limb = 0;
    for (size_t i = begin; i < end; ++i) limb = limb * 10 + static_cast<uint32_t>(digits[i] - '0');
    r.limbs_.push_back(limb);
    end = begin;
  }
  r.Trim();
  return r;
}

void BigInt::Trim() {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
  if (limbs_.empty()) negative_ = false;
}

size_t BigInt::digits() const {
  if (limbs_.empty()) return 1;
  size_t n = (limbs_.size() - 1) * kLimbDigits;
  for (uint32_t top = limbs_.back(); top != 0; top /= 10) ++n;
  return n;
}

std::string BigInt::ToString() const {
  if (limbs_.empty()) return "0";
  std::string out = negative_ ? "-" : "";
  out += fmt::format("{}", limbs_.back());
  for (size_t i = limbs_.size() - 1; i-- > 0;) out += fmt::format("{:09}", limbs_[i]);
  return out;
}

std::optional<int64_t> BigInt::ToInt64() const {
  if (limbs_.size() > 3) return std::nullopt;
  __extension__ __int128 value = 0;
  for (size_t i = limbs_.size(); i-- > 0;) value = value * kBase + limbs_[i];
  if (negative_) value = -value;
  if (value < INT64_MIN || value > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(value);
}

double BigInt::ToDouble() const {
  const std::string text = ToString();
  const double value = ParseDecimal(std::string_view(text).substr(negative_ ? 1 : 0));
  return negative_ ? -value : value;
}

int BigInt::CompareMagnitude(const BigInt& a, const BigInt& b) {
  if (a.limbs_.size() != b.limbs_.size()) return a.limbs_.size() < b.limbs_.size() ? -1 : 1;
  for (size_t i = a.limbs_.size(); i-- > 0;) {
    if (a.limbs_[i] != b.limbs_[i]) return a.limbs_[i] < b.limbs_[i] ? -1 : 1;
  }
  return 0;
}

int BigInt::Compare(const BigInt& a, const BigInt& b) {
  if (a.negative_ != b.negative_) return a.negative_ ? -1 : 1;
  const int magnitude = CompareMagnitude(a, b);
  return a.negative_ ? -magnitude : magnitude;
}

BigInt BigInt::Negated() const {
  BigInt r = *this;
  r.negative_ = !r.negative_ && !r.limbs_.empty();
  return r;
}

BigInt BigInt::Add(const BigInt& a, const BigInt& b) {
  BigInt r;
  if (a.negative_ == b.negative_) {
    uint32_t carry = 0;
    for (size_t i = 0; i < std::max(a.limbs_.size(), b.limbs_.size()) || carry != 0; ++i) {
      const uint32_t sum =
          carry + (i < a.limbs_.size() ? a.limbs_[i] : 0) + (i < b.limbs_.size() ? b.limbs_[i] : 0);
      r.limbs_.push_back(sum % kBase);
      carry = sum / kBase;
    }
    r.negative_ = a.negative_;
  } else {
    const bool a_larger = CompareMagnitude(a, b) >= 0;
    const BigInt& large = a_larger ? a : b;
    const BigInt& small = a_larger ? b : a;
    uint32_t borrow = 0;
    for (size_t i = 0; i < large.limbs_.size(); ++i) {
      const uint32_t take = borrow + (i < small.limbs_.size() ? small.limbs_[i] : 0);
      borrow = large.limbs_[i] < take ? 1 : 0;
      r.limbs_.push_back(large.limbs_[i] + borrow * kBase - take);
    }
    r.negative_ = large.negative_;
  }
  r.Trim();
  CheckDigits(r.digits());
  return r;
}

BigInt BigInt::Mul(const BigInt& a, const BigInt& b) {
  if (a.is_zero() || b.is_zero()) return BigInt();
  CheckDigits(a.digits() + b.digits() - 1);
  BigInt r;
  r.limbs_.assign(a.limbs_.size() + b.limbs_.size(), 0);
  for (size_t i = 0; i < a.limbs_.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.limbs_.size() || carry != 0; ++j) {
      const uint64_t product = j < b.limbs_.size() ? uint64_t{a.limbs_[i]} * b.limbs_[j] : 0;
      const uint64_t sum = r.limbs_[i + j] + carry + product;
      r.limbs_[i + j] = static_cast<uint32_t>(sum % kBase);
      carry = sum / kBase;
    }
  }
  r.negative_ = a.negative_ != b.negative_;
  r.Trim();
  CheckDigits(r.digits());
  return r;
}

// |a| * digit.
BigInt BigInt::TimesDigit(const BigInt& a, uint32_t digit) {
  BigInt r;
  r.limbs_.reserve(a.limbs_.size() + 1);
  uint64_t carry = 0;
  for (uint32_t limb : a.limbs_) {
    const uint64_t product = uint64_t{limb} * digit + carry;
    r.limbs_.push_back(static_cast<uint32_t>(product % kBase));
    carry = product / kBase;
  }
  r.limbs_.push_back(static_cast<uint32_t>(carry));
  r.Trim();
  return r;
}

// Long division; each digit of base 10^9 is found by bisection, 30 multiplications by one limb,
// unless the divisor is one limb itself.
void BigInt::FloorDivMod(const BigInt& a, const BigInt& b, BigInt* quotient, BigInt* remainder) {
  BigInt divisor = b;
  divisor.negative_ = false;
  BigInt rest;
  BigInt q;
  q.limbs_.assign(a.limbs_.size(), 0);
  if (divisor.limbs_.size() == 1) {
    uint64_t carry = 0;
    for (size_t i = a.limbs_.size(); i-- > 0;) {
      carry = carry * kBase + a.limbs_[i];
      q.limbs_[i] = static_cast<uint32_t>(carry / divisor.limbs_[0]);
      carry %= divisor.limbs_[0];
    }
    rest = BigInt(static_cast<int64_t>(carry));
  } else {
    for (size_t i = a.limbs_.size(); i-- > 0;) {
      rest.limbs_.insert(rest.limbs_.begin(), a.limbs_[i]);
      rest.Trim();
      if (CompareMagnitude(rest, divisor) < 0) continue;
      uint32_t low = 1;
      uint32_t high = kBase - 1;
      while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        if (CompareMagnitude(TimesDigit(divisor, middle), rest) <= 0) {
          low = middle;
        } else {
          high = middle - 1;
        }
      }
      q.limbs_[i] = low;
      rest = Sub(rest, TimesDigit(divisor, low));
    }
  }
  q.negative_ = a.negative_ != b.negative_;
  q.Trim();
  rest.negative_ = a.negative_;
  rest.Trim();
  if (!rest.is_zero() && rest.negative_ != b.negative_) {
    q = Sub(q, BigInt(1));
    rest = Add(rest, b);
  }
  *quotient = std::move(q);
  *remainder = std::move(rest);
}

BigInt BigInt::Pow(BigInt base, int64_t exponent) {
  BigInt r(1);
  while (exponent > 0) {
    if (exponent % 2 == 1) r = Mul(r, base);
    exponent /= 2;
    // A base of 0, 1 or -1 never grows; any other one hits the digit limit within 15 squarings.
    if (exponent > 0) base = Mul(base, base);
  }
  return r;
}

// Enough quotient digits for a correctly rounded double, then a 1 that stands for "and something",
// which settles ties.
double BigInt::Divide(const BigInt& a, const BigInt& b) {
  BigInt x = a;
  BigInt y = b;
  x.negative_ = y.negative_ = false;
  const auto scale = static_cast<int64_t>(y.digits()) - static_cast<int64_t>(x.digits()) + 30;
  if (scale > 0) {
    x.limbs_.insert(x.limbs_.begin(), static_cast<size_t>(scale) / kLimbDigits + 1, 0);
    x.Trim();
  }
  const int64_t exponent = scale > 0 ? (scale / static_cast<int64_t>(kLimbDigits) + 1) * 9 : 0;
  BigInt q;
  BigInt rest;
  FloorDivMod(x, y, &q, &rest);
  std::string text = q.ToString();
  if (!rest.is_zero()) text += ".1";
  text += fmt::format("e-{}", exponent);
  const double value = ParseDecimal(text);
  if (std::isinf(value)) {
    Throw(ErrorKind::kOverflow, "integer division result too large for a float");
  }
  return a.negative_ != b.negative_ ? -value : value;
}

}  // namespace quarry::jinja
