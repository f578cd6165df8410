// Selections by score against sorting.

#include "attention/select_top.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace quarry {
namespace {

using testing::ElementsAre;

std::vector<int32_t> Top(const std::vector<float>& scores, int64_t k) {
  std::vector<int32_t> out = {99};
  TopIndices(scores, k, out);
  return out;
}

TEST(SelectTop, EqualScoresGoToTheLowerIndex) {
  EXPECT_THAT(Top({1, 3, 3, 2, 3}, 2), ElementsAre(1, 2));
  EXPECT_THAT(Top({5, 5, 5, 5}, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(Top({1, 2, 3}, 0), ElementsAre());
  EXPECT_THAT(Top({1, 2, 3}, 7), ElementsAre(0, 1, 2));
  EXPECT_THAT(Top({}, 2), ElementsAre());
}

TEST(SelectTop, InfinityFirstAndNaNLast) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  EXPECT_THAT(Top({nan, 1, inf, -inf, inf}, 3), ElementsAre(1, 2, 4));
  EXPECT_THAT(Top({nan, 1, nan, 0, -7}, 3), ElementsAre(1, 3, 4));
  EXPECT_THAT(Top({nan, nan, 1}, 2), ElementsAre(0, 2));
  EXPECT_THAT(Top({nan, nan, nan}, 2), ElementsAre(0, 1));
}

// Few distinct values, so that borders fall among equals.
TEST(SelectTop, MatchesASort) {
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> scores(1 + rng.Below(300));
    for (float& s : scores) s = static_cast<float>(rng.Below(round % 2 == 0 ? 5 : 1000)) / 8;
    const auto k = static_cast<int64_t>(rng.Below(scores.size() + 2));
    std::vector<int32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    order.resize(std::min(order.size(), static_cast<size_t>(k)));
    std::sort(order.begin(), order.end());
    ASSERT_EQ(Top(scores, k), order) << "round " << round;

    // Multiples of 1/8: sums are exact.
    std::vector<float> sorted = scores;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const double limit = static_cast<double>(rng.Below(scores.size() * 20)) / 8;
    int64_t count = 0;
    double sum = 0;
    while (count < static_cast<int64_t>(sorted.size()) &&
           sum + static_cast<double>(sorted[static_cast<size_t>(count)]) <= limit) {
      sum += static_cast<double>(sorted[static_cast<size_t>(count++)]);
    }
    const Prefix prefix = LargestWithin(scores, limit);
    ASSERT_EQ(prefix.count, count);
    ASSERT_EQ(prefix.sum, sum);
    if (count < static_cast<int64_t>(sorted.size())) {
      ASSERT_EQ(prefix.border, sorted[static_cast<size_t>(count)]);
    }
    // The smallest run that reaches the limit.
    int64_t reach = 0;
    for (double s = 0; s < limit && reach < static_cast<int64_t>(sorted.size());) {
      s += static_cast<double>(sorted[static_cast<size_t>(reach++)]);
    }
    ASSERT_EQ(CountToReach(scores, limit), reach);
  }
}

TEST(SelectTop, NothingFits) {
  const std::vector<float> scores = {4, 3};
  EXPECT_EQ(LargestWithin(scores, 1).count, 0);
  EXPECT_EQ(LargestWithin(scores, 1).border, 4);
  EXPECT_EQ(LargestWithin(scores, 9).count, 2);
  EXPECT_EQ(CountToReach(scores, 0), 0);
  EXPECT_EQ(CountToReach(scores, 4), 1);
  EXPECT_EQ(CountToReach(scores, 4.5), 2);
  EXPECT_EQ(CountToReach(scores, 100), 2);
  EXPECT_EQ(CountToReach({}, 1), 0);
}

}  // namespace
}  // namespace quarry
