#include "attention/methods/score_window.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace quarry {
namespace {

using testing::ElementsAre;

TEST(ScoreWindow, AddsWithinTheWindow) {
  ScoreWindow w(2);
  EXPECT_EQ(w.range(), (TokenRange{0, 0}));
  w.ExtendTo(4);
  w.Add(0, 1, std::vector<float>{1, 2});
  w.Add(0, 2, std::vector<float>{10, 20});
  w.Add(1, 0, std::vector<float>{5});
  EXPECT_THAT(w.Of(0, {0, 4}), ElementsAre(0, 1, 12, 20));
  EXPECT_THAT(w.Of(1, {0, 4}), ElementsAre(5, 0, 0, 0));
}

TEST(ScoreWindow, IgnoresTokensOutside) {
  ScoreWindow w(1);
  w.ExtendTo(6);
  w.DropBefore(3);
  w.Add(0, 0, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(w.range(), (TokenRange{3, 6}));
  EXPECT_THAT(w.Of(0, {3, 6}), ElementsAre(4, 5, 6));
}

TEST(ScoreWindow, NewTokensStartAtZero) {
  ScoreWindow w(1);
  w.ExtendTo(3);
  w.Add(0, 0, std::vector<float>{1, 1, 1});
  w.DropBefore(3);
  w.ExtendTo(20);  // memory that held sums is used again
  for (float s : w.Of(0, {3, 20})) EXPECT_EQ(s, 0.0f);
}

TEST(ScoreWindow, NeverGoesBack) {
  ScoreWindow w(1);
  w.ExtendTo(8);
  w.DropBefore(5);
  w.DropBefore(2);
  w.ExtendTo(6);
  EXPECT_EQ(w.range(), (TokenRange{5, 8}));
  w.DropBefore(100);
  EXPECT_EQ(w.range(), (TokenRange{8, 8}));
}

// A window that slides over a long text keeps every sum, and only so much memory.
TEST(ScoreWindow, SlidesOverALongText) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    constexpr int kHeads = 3;
    ScoreWindow w(kHeads);
    std::vector<std::vector<float>> sums(kHeads);
    TokenPos begin = 0, end = 0;
    int64_t widest = 0;
    for (int step = 0; step < 300; ++step) {
      end += static_cast<TokenPos>(rng.Below(30));
      w.ExtendTo(end);
      widest = std::max(widest, end - begin);
      for (size_t h = 0; h < kHeads; ++h) {
        sums[h].resize(static_cast<size_t>(end));
        const auto first = static_cast<TokenPos>(rng.Below(static_cast<uint64_t>(end) + 1));
        std::vector<float> scores;
        for (TokenPos t = first; t < std::min<TokenPos>(end, first + 50); ++t) {
          scores.push_back(static_cast<float>(rng.Below(100)));
          if (t >= begin) sums[h][static_cast<size_t>(t)] += scores.back();
        }
        w.Add(static_cast<int>(h), first, scores);
      }
      begin = std::max(begin, end - static_cast<TokenPos>(rng.Below(120)));
      w.DropBefore(begin);
      for (size_t h = 0; h < kHeads; ++h) {
        const auto got = w.Of(static_cast<int>(h), {begin, end});
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(got[i], sums[h][static_cast<size_t>(begin) + i]) << "step " << step;
        }
      }
    }
    EXPECT_LE(w.size_bytes(), static_cast<size_t>(kHeads * 2 * widest) * sizeof(float));
    ScoreWindow copy = w;
    copy.Add(0, begin, std::vector<float>{1000});
    if (end > begin) {
      EXPECT_EQ(w.Of(0, {begin, begin + 1})[0], sums[0][static_cast<size_t>(begin)]);
    }
  }
}

}  // namespace
}  // namespace quarry
