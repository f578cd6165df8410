// Partials over disjoint keys merge in any order; the empty one is neutral.

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "attention/partial.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

constexpr int kRows = 5, kStride = 16;
constexpr double kU = 0x1p-24;

struct Partial {
  Partial() : m(kRows), d(kRows), o(kRows * kStride) { view().SetEmpty(); }
  PartialView view() { return {m.data(), d.data(), o.data(), kRows, kStride}; }
  std::vector<float> m, d, o;
};

// Some rows empty, scores from close together to far apart.
Partial RandomPartial(Rng& rng) {
  Partial p;
  const double spread = std::pow(10.0, static_cast<double>(rng.Below(3)));
  for (size_t r = 0; r < kRows; ++r) {
    if (rng.Below(4) == 0) continue;
    p.m[r] = RandomFloats(rng, 1, spread)[0];
    p.d[r] = 1 + static_cast<float>(rng.Uniform()) * 100;  // the key of score m counts 1
    for (size_t i = 0; i < kStride; ++i) {
      p.o[r * kStride + i] = p.d[r] * RandomFloats(rng, 1)[0];  // |value| <= 1
    }
  }
  return p;
}

Partial Merged(Partial a, Partial b) {
  Merge(a.view(), b.view());
  return a;
}

// Of a chain of `merges`: each multiplies by exp of a difference (rounded: |difference| u; exp: 2u)
// twice and adds once. Differences add up to the range of scores. o is a sum of magnitude d.
void ExpectSame(const Partial& a, const Partial& b, int merges, double range) {
  const double relative = (2 * range + 6.0 * merges) * kU;
  for (size_t r = 0; r < kRows; ++r) {
    ASSERT_EQ(a.m[r], b.m[r]);
    ASSERT_NEAR(a.d[r], b.d[r], 2 * relative * static_cast<double>(a.d[r]));
    for (size_t i = r * kStride; i < (r + 1) * kStride; ++i) {
      ASSERT_NEAR(a.o[i], b.o[i], 2 * relative * static_cast<double>(a.d[r]));
    }
  }
}

TEST(PartialProperty, MergeIsCommutative) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const Partial a = RandomPartial(rng), b = RandomPartial(rng);
    ExpectSame(Merged(a, b), Merged(b, a), 1, 200);
  }
}

TEST(PartialProperty, MergeIsAssociative) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const Partial a = RandomPartial(rng), b = RandomPartial(rng), c = RandomPartial(rng);
    ExpectSame(Merged(Merged(a, b), c), Merged(a, Merged(b, c)), 2, 400);
  }
}

// exp(0) is 1 and exp(-inf) is 0: nothing is rounded.
TEST(PartialProperty, EmptyIsNeutral) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const Partial a = RandomPartial(rng), empty;
    for (const Partial& merged : {Merged(a, empty), Merged(empty, a)}) {
      ASSERT_EQ(merged.m, a.m);
      ASSERT_EQ(merged.d, a.d);
      ASSERT_EQ(merged.o, a.o);
    }
  }
}

TEST(PartialProperty, TwoEmptyOnesAreEmpty) {
  const Partial merged = Merged(Partial(), Partial());
  for (float m : merged.m) EXPECT_EQ(m, -INFINITY);
  for (float d : merged.d) EXPECT_EQ(d, 0.0f);
  for (float o : merged.o) EXPECT_EQ(o, 0.0f);
}

// The definition: merging single keys gives the softmax over all of them.
TEST(PartialProperty, SingleKeysAddUpToSoftmax) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const int keys = 1 + static_cast<int>(rng.Below(40));
    const auto scores = RandomFloats(rng, static_cast<size_t>(keys), 10);
    const auto values = RandomFloats(rng, static_cast<size_t>(keys));
    Partial all;
    double sum = 0, weighted = 0;
    for (size_t k = 0; k < scores.size(); ++k) {
      Partial one;
      for (size_t r = 0; r < kRows; ++r) {
        one.m[r] = scores[k];
        one.d[r] = 1;
        for (size_t i = 0; i < kStride; ++i) one.o[r * kStride + i] = values[k];
      }
      Merge(all.view(), one.view());
      sum += std::exp(static_cast<double>(scores[k]));
      weighted += std::exp(static_cast<double>(scores[k])) * static_cast<double>(values[k]);
    }
    const double bound = 2 * (2 * 20 + 6.0 * keys) * kU;
    EXPECT_NEAR(all.o[0] / all.d[0], weighted / sum, bound);
    EXPECT_NEAR(static_cast<double>(all.m[0]) + std::log(static_cast<double>(all.d[0])),
                std::log(sum), bound);
  }
}

}  // namespace
}  // namespace quarry
