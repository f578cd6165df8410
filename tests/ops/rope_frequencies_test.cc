// Every kind of rotary scaling against its formula (docs/formats.md, "rope"), written down again.

#include "ops/rope_frequencies.h"

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

namespace quarry {
namespace {

// Plain f_p of R rotated dimensions.
double Plain(double base, int64_t r, size_t p) {
  return std::pow(base, -2.0 * static_cast<double>(p) / static_cast<double>(r));
}

// The rope's angles tell its frequencies: at large positions every digit of them matters. Values
// are rounded to f32, up to `magnitude`; frequencies are a few double roundings off, times the
// position.
void ExpectFrequencies(const Rope& rope, double magnitude,
                       const std::function<double(size_t)>& want) {
  EXPECT_EQ(rope.magnitude(), magnitude);
  const auto n = static_cast<size_t>(rope.pairs());
  std::vector<float> cos(n), sin(n);
  for (int64_t position : {1, 100, 10007, 1000003}) {
    rope.Angles(position, 1, cos.data(), sin.data());
    for (size_t p = 0; p < n; ++p) {
      const double angle = static_cast<double>(position) * want(p);
      const double bound = magnitude * (0x1p-24 + 16 * 0x1p-53 * std::abs(angle));
      ASSERT_NEAR(static_cast<double>(cos[p]), magnitude * std::cos(angle), bound)
          << "pair " << p << " position " << position;
      ASSERT_NEAR(static_cast<double>(sin[p]), magnitude * std::sin(angle), bound);
    }
  }
}

RopeSpec Spec(RopeKind kind, int64_t rotated, double base = 10000) {
  RopeSpec s;
  s.kind = kind;
  s.rotated_dims = rotated;
  s.base = base;
  return s;
}

TEST(RopeFrequencies, Default) {
  ExpectFrequencies(MakeRope(Spec(RopeKind::kDefault, 128), 128, 4096), 1,
                    [](size_t p) { return Plain(10000, 128, p); });
  ExpectFrequencies(MakeRope(Spec(RopeKind::kDefault, 64, 500000), 64, 4096), 1,
                    [](size_t p) { return Plain(500000, 64, p); });
}

// The exponent is over the rotated dimensions, not over the head.
TEST(RopeFrequencies, PartialRotation) {
  const Rope rope = MakeRope(Spec(RopeKind::kDefault, 32), 80, 4096);
  EXPECT_EQ(rope.pairs(), 16);
  EXPECT_EQ(rope.head_dim(), 80);
  ExpectFrequencies(rope, 1, [](size_t p) { return Plain(10000, 32, p); });
}

TEST(RopeFrequencies, PositionInterpolation) {
  RopeSpec s = Spec(RopeKind::kDefault, 64);
  s.position_scale = 0.25;
  ExpectFrequencies(MakeRope(s, 64, 4096), 1, [](size_t p) { return 0.25 * Plain(10000, 64, p); });
}

TEST(RopeFrequencies, Linear) {
  RopeSpec s = Spec(RopeKind::kLinear, 64);
  s.factor = 8;
  ExpectFrequencies(MakeRope(s, 64, 4096), 1, [](size_t p) { return Plain(10000, 64, p) / 8; });
  s.position_scale = 0.5;
  ExpectFrequencies(MakeRope(s, 64, 4096), 1, [](size_t p) { return Plain(10000, 64, p) / 16; });
}

TEST(RopeFrequencies, DynamicGrowsTheBaseWithTheText) {
  RopeSpec s = Spec(RopeKind::kDynamic, 64);
  s.factor = 2;
  s.max_positions = 2048;
  for (int64_t length : {1, 2048, 2049, 3000, 8192}) {
    const double n = std::max<double>(static_cast<double>(length), 2048);
    const double base = 10000 * std::pow(2 * n / 2048 - 1, 64.0 / 62.0);
    SCOPED_TRACE(length);
    ExpectFrequencies(MakeRope(s, 64, length), 1, [&](size_t p) { return Plain(base, 64, p); });
  }
}

TEST(RopeFrequencies, Llama3KeepsShortWavesAndStretchesLongOnes) {
  RopeSpec s = Spec(RopeKind::kLlama3, 128, 500000);
  s.factor = 8;
  s.low_freq_factor = 1;
  s.high_freq_factor = 4;
  s.original_max_positions = 8192;
  int kept = 0, stretched = 0, blended = 0;
  ExpectFrequencies(MakeRope(s, 128, 100000), 1, [&](size_t p) {
    const double f = Plain(500000, 128, p);
    const double turns = 8192 * f / (2 * std::numbers::pi);  // within the original length
    if (turns > 4) return ++kept, f;
    if (turns < 1) return ++stretched, f / 8;
    const double t = (turns - 1) / (4 - 1);
    return ++blended, f / 8 + t * (f - f / 8);
  });
  EXPECT_GT(kept, 0);
  EXPECT_GT(stretched, 0);
  EXPECT_GT(blended, 0);
}

// The pair at which a wave turns `turns` times within `original` positions.
double TurnsAt(double turns, double original, double base, double r) {
  return r * std::log(original / (2 * std::numbers::pi * turns)) / (2 * std::log(base));
}

void ExpectYarn(const RopeSpec& s, double low, double high) {
  ExpectFrequencies(MakeRope(s, 128, 100000), s.magnitude, [&](size_t p) {
    const double f = Plain(s.base, s.rotated_dims, p);
    const double ramp = std::min(1.0, std::max(0.0, (static_cast<double>(p) - low) / (high - low)));
    return f * (1 - ramp) + f / s.factor * ramp;
  });
}

RopeSpec YarnSpec() {
  RopeSpec s = Spec(RopeKind::kYarn, 128, 1000000);
  s.factor = 4;
  s.original_max_positions = 32768;
  s.magnitude = 0.1 * std::log(4.0) + 1;
  return s;
}

TEST(RopeFrequencies, YarnRoundsTheRampOutwards) {
  const RopeSpec s = YarnSpec();
  const double low = std::floor(TurnsAt(32, 32768, 1000000, 128));
  const double high = std::ceil(TurnsAt(1, 32768, 1000000, 128));
  ASSERT_GT(low, 0);
  ASSERT_LT(high, 63);
  ExpectYarn(s, low, high);
}

TEST(RopeFrequencies, YarnWithoutRounding) {
  RopeSpec s = YarnSpec();
  s.truncate = false;
  ExpectYarn(s, TurnsAt(32, 32768, 1000000, 128), TurnsAt(1, 32768, 1000000, 128));
}

TEST(RopeFrequencies, YarnRampStaysWithinThePairs) {
  RopeSpec s = YarnSpec();
  s.original_max_positions = 128;  // beta_fast lies before the first pair
  ASSERT_LT(TurnsAt(32, 128, 1000000, 128), 0);
  ExpectYarn(s, 0, std::ceil(TurnsAt(1, 128, 1000000, 128)));
  s = YarnSpec();
  s.beta_slow = 1e-12;  // and beta_slow behind the last dimension
  ASSERT_GT(TurnsAt(1e-12, 32768, 1000000, 128), 127);
  ExpectYarn(s, std::floor(TurnsAt(32, 32768, 1000000, 128)), 127);
}

TEST(RopeFrequencies, YarnRampOfNoLength) {
  RopeSpec s = YarnSpec();
  s.truncate = false;
  s.beta_fast = s.beta_slow = 4;
  const double border = TurnsAt(4, 32768, 1000000, 128);
  ExpectYarn(s, border, border + 0.001);
}

TEST(RopeFrequencies, LongRopeChoosesItsListByTheLength) {
  RopeSpec s = Spec(RopeKind::kLongRope, 16);
  s.original_max_positions = 4096;
  s.magnitude = std::sqrt(1 + std::log(32.0) / std::log(4096.0));
  for (size_t p = 0; p < 8; ++p) {
    s.short_factor.push_back(1 + 0.1 * static_cast<double>(p));
    s.long_factor.push_back(2 + 3 * static_cast<double>(p));
  }
  const auto with = [&](const std::vector<double>& factor) {
    return [&](size_t p) { return Plain(10000, 16, p) / factor[p]; };
  };
  ExpectFrequencies(MakeRope(s, 24, 4096), s.magnitude, with(s.short_factor));
  ExpectFrequencies(MakeRope(s, 24, 4097), s.magnitude, with(s.long_factor));
}

}  // namespace
}  // namespace quarry
