#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tests/support/attention_fixture.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

// A value of magnitude up to 1 in f32 is off by 2^-25. Below that, in double: the angle is a
// rounded product, at most angle * 2^-53 off; up to 64 turns by one step lose 4 * 2^-53 each.
double AngleBound(double largest_angle) { return 0x1p-25 + (largest_angle + 64 * 4) * 0x1p-53; }

TEST(Rope, AnglesMatchLongDouble) {
  const std::vector<double> f = PlainFrequencies(64, 10000, 1);
  const Rope rope(f, 1.0, 64);
  for (int64_t first : {int64_t{0}, int64_t{1}, int64_t{4095}, int64_t{131071}, int64_t{1000003},
                        int64_t{10000000 - 200}}) {
    constexpr int64_t kN = 200;
    std::vector<float> cos(static_cast<size_t>(kN) * f.size()), sin(cos.size());
    rope.Angles(first, kN, cos.data(), sin.data());
    for (int64_t i = 0; i < kN; ++i) {
      for (size_t p = 0; p < f.size(); ++p) {
        const long double angle =
            static_cast<long double>(first + i) * static_cast<long double>(f[p]);
        const size_t at = static_cast<size_t>(i) * f.size() + p;
        const double bound = AngleBound(static_cast<double>(angle));
        ASSERT_NEAR(static_cast<double>(cos[at]), static_cast<double>(std::cos(angle)), bound)
            << "position " << first + i << " pair " << p;
        ASSERT_NEAR(static_cast<double>(sin[at]), static_cast<double>(std::sin(angle)), bound);
      }
    }
  }
}

// A token's angles do not depend on the call it comes in, but for the last bit.
TEST(Rope, AnglesDoNotDependOnTheCut) {
  const Rope rope(PlainFrequencies(32, 10000, 1), 1.0, 32);
  const auto half = static_cast<size_t>(rope.pairs());
  std::vector<float> cos(300 * half), sin(300 * half), c(half), s(half);
  rope.Angles(70000, 300, cos.data(), sin.data());
  for (int64_t i = 0; i < 300; ++i) {
    rope.Angles(70000 + i, 1, c.data(), s.data());
    for (size_t p = 0; p < half; ++p) {
      ASSERT_NEAR(c[p], cos[static_cast<size_t>(i) * half + p], 0x1p-24);
      ASSERT_NEAR(s[p], sin[static_cast<size_t>(i) * half + p], 0x1p-24);
    }
  }
}

TEST(Rope, MagnitudeMultipliesBoth) {
  const std::vector<double> f = {1.0, 0.25};
  const Rope rope(f, 1.5, 8);
  EXPECT_EQ(rope.magnitude(), 1.5);
  EXPECT_EQ(rope.pairs(), 2);
  EXPECT_EQ(rope.head_dim(), 8);
  float cos[2], sin[2];
  rope.Angles(3, 1, cos, sin);
  for (size_t p = 0; p < 2; ++p) {
    EXPECT_NEAR(static_cast<double>(cos[p]), 1.5 * std::cos(3 * f[p]), 2 * AngleBound(3));
    EXPECT_NEAR(static_cast<double>(sin[p]), 1.5 * std::sin(3 * f[p]), 2 * AngleBound(3));
  }
}

TEST(Rope, RotatesPairsOfHalvesAndLeavesTheRest) {
  Rng rng(1);
  for (const kernels::KernelTable* kernels : kernels::SupportedKernels()) {
    for (const auto& [dim, rotated] : {std::pair{8, 8}, {24, 24}, {40, 16}, {80, 80}, {128, 96}}) {
      const Rope rope(PlainFrequencies(rotated, 10000, 1), 1.0, dim);
      const auto half = static_cast<size_t>(rotated / 2);
      std::vector<float> cos(half), sin(half);
      rope.Angles(12345, 1, cos.data(), sin.data());
      const std::vector<float> x = RandomFloats(rng, static_cast<size_t>(dim));
      std::vector<float> apart(x.size() + 4, 99.0f), in_place = x;
      rope.Rotate(*kernels, x.data(), cos.data(), sin.data(), apart.data());
      rope.Rotate(*kernels, in_place.data(), cos.data(), sin.data(), in_place.data());
      for (size_t i = 0; i < half; ++i) {
        const double a = x[i], b = x[i + half], c = cos[i], s = sin[i];
        // Two products and a sum of magnitude at most 1 each.
        ASSERT_NEAR(static_cast<double>(apart[i]), a * c - b * s, 4 * 0x1p-24) << kernels->isa;
        ASSERT_NEAR(static_cast<double>(apart[i + half]), b * c + a * s, 4 * 0x1p-24);
      }
      for (size_t i = 2 * half; i < x.size(); ++i) ASSERT_EQ(apart[i], x[i]);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(in_place[i], apart[i]);
      for (size_t i = x.size(); i < apart.size(); ++i) ASSERT_EQ(apart[i], 99.0f);
    }
  }
}

// A raw key is a key at position 0, with its magnitude moved to the query: both products agree.
TEST(Rope, QueriesForRawKeysTakeTheMagnitudeOver) {
  Rng rng(2);
  const auto& kernels = **kernels::ChooseKernelsFromEnvironment();
  for (const int rotated : {24, 16, 8}) {
    const Rope rope(PlainFrequencies(rotated, 10000, 1), 1.25, 24);
    std::vector<float> cos(12), sin(12), cos0(12), sin0(12);
    rope.Angles(77, 1, cos.data(), sin.data());
    rope.Angles(0, 1, cos0.data(), sin0.data());
    const std::vector<float> q = RandomFloats(rng, 24), k = RandomFloats(rng, 24);
    std::vector<float> turned(24), turned_key(24), for_raw(24);
    rope.Rotate(kernels, q.data(), cos.data(), sin.data(), turned.data());
    rope.Rotate(kernels, k.data(), cos0.data(), sin0.data(), turned_key.data());
    rope.RotateForRawKeys(kernels, q.data(), cos.data(), sin.data(), for_raw.data());
    double want = 0, got = 0;
    for (size_t i = 0; i < 24; ++i) {
      want += static_cast<double>(turned[i]) * static_cast<double>(turned_key[i]);
      got += static_cast<double>(for_raw[i]) * static_cast<double>(k[i]);
    }
    // Each of 24 terms is at most 1.25^2 * 2 and off by a few roundings.
    EXPECT_NEAR(got, want, 24 * 3.2 * 4 * 0x1p-24) << rotated;
  }
}

}  // namespace
}  // namespace quarry
