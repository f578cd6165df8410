// Vertical-slash selection: sizes, forced lines, ties, and the ranges that slashes become.

#include "attention/methods/vertical_slash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace quarry {
namespace {

using testing::ElementsAre;

TEST(VerticalSlash, SizesAreClamped) {
  const auto expect = [](int64_t v, int64_t s, int64_t keys, int64_t columns, int64_t distances) {
    const LineCounts n = ClampLineCounts(v, s, keys);
    EXPECT_EQ(n.columns, columns);
    EXPECT_EQ(n.distances, distances);
  };
  expect(1000, 6096, 40, 40, 40);
  expect(10, 103, 512, 30, 103);
  expect(0, 0, 512, 30, 50);
  expect(1000, 6096, 8000, 1000, 6096);
}

LineMass Mass(size_t keys) {
  return {std::vector<float>(keys, 0.0f), std::vector<float>(keys, 0.0f)};
}

TEST(VerticalSlash, ForcedLinesComeFirst) {
  LineMass mass = Mass(400);
  mass.column[200] = 5;
  mass.column[300] = 5;
  mass.distance[250] = 7;
  const Lines lines = ChooseLines(mass, {31, 101});
  ASSERT_EQ(lines.columns.size(), 31u);
  EXPECT_EQ(lines.columns[29], 29);
  EXPECT_EQ(lines.columns[30], 200);  // of two equal columns the lower one
  ASSERT_EQ(lines.distances.size(), 101u);
  EXPECT_EQ(lines.distances[0], 250);
  EXPECT_EQ(lines.distances[1], 99);
  EXPECT_EQ(lines.distances[100], 0);
}

// More forced distances than places: the nearest ones stay, distance 0 among them.
TEST(VerticalSlash, FewPlacesGoToTheNearest) {
  const Lines lines = ChooseLines(Mass(400), {30, 50});
  ASSERT_EQ(lines.distances.size(), 50u);
  EXPECT_EQ(lines.distances.front(), 49);
  EXPECT_EQ(lines.distances.back(), 0);
}

std::vector<TokenRange> Ranges(std::vector<TokenPos> distances, TokenPos end) {
  std::vector<TokenRange> out = {{7, 9}};
  SlashRanges(distances, end, out);
  return out;
}

TEST(VerticalSlash, RangesAreAnchoredAtTheDiagonal) {
  EXPECT_THAT(Ranges({0}, 640), ElementsAre(TokenRange{576, 640}));
  EXPECT_THAT(Ranges({300, 0}, 640), ElementsAre(TokenRange{276, 340}, TokenRange{576, 640}));
  // Before the first key: dropped. Partly before it: the first block.
  EXPECT_THAT(Ranges({640, 0}, 640), ElementsAre(TokenRange{576, 640}));
  EXPECT_THAT(Ranges({639, 0}, 640), ElementsAre(TokenRange{0, 64}, TokenRange{576, 640}));
  EXPECT_THAT(Ranges({0}, 64), ElementsAre(TokenRange{0, 64}));
}

TEST(VerticalSlash, RangesGrowByWholeBlocks) {
  // One apart: a whole block more, beyond the second line's own end.
  EXPECT_THAT(Ranges({201, 200}, 640), ElementsAre(TokenRange{375, 503}));
  // 64 apart touch, 128 apart are filled up, 129 apart are two.
  EXPECT_THAT(Ranges({264, 200}, 640), ElementsAre(TokenRange{312, 440}));
  EXPECT_THAT(Ranges({265, 200}, 640), ElementsAre(TokenRange{311, 375}, TokenRange{376, 440}));
  EXPECT_THAT(Ranges({63, 0}, 640), ElementsAre(TokenRange{513, 641}));
}

// Disjoint, ascending, multiples of 64 long, and every line lies inside.
TEST(VerticalSlash, RangesCoverEveryLine) {
  Rng rng(3);
  for (int round = 0; round < 200; ++round) {
    const TokenPos end =
        64 * static_cast<TokenPos>(1 + rng.Below(20)) + static_cast<TokenPos>(rng.Below(64));
    std::vector<TokenPos> distances;
    for (TokenPos d = 1500; d > 0; d -= 1 + static_cast<TokenPos>(rng.Below(200))) {
      distances.push_back(d);
    }
    distances.push_back(0);
    const std::vector<TokenRange> ranges = Ranges(distances, end);
    TokenPos last = -1;
    for (const TokenRange& r : ranges) {
      ASSERT_GT(r.begin, last);
      ASSERT_EQ(r.size() % 64, 0);
      last = r.end;
    }
    ASSERT_GE(last, end);
    ASSERT_LT(last, end + 64);
    for (TokenPos row = std::max<TokenPos>(0, end - 64); row < end; ++row) {
      for (TokenPos d : distances) {
        if (d > row) continue;
        ASSERT_TRUE(
            std::any_of(ranges.begin(), ranges.end(),
                        [&](const TokenRange& r) { return row - d >= r.begin && row - d < r.end; }))
            << "row " << row << " distance " << d;
      }
    }
  }
}

TEST(VerticalSlash, AutomaticLinesAreTheCheaperOnes) {
  // Ten columns hold everything that is not local: columns, not slashes.
  LineMass mass = Mass(2000);
  mass.distance[0] = 32;
  for (size_t i = 0; i < 10; ++i) mass.column[100 + 150 * i] = 3.2f;
  for (size_t d = 200; d < 1900; ++d) mass.distance[d] = 32.0f / 1700;
  mass.column[1999] = 32;
  const Lines vertical = ChooseLinesByCoverage(mass, 64, 0.99);
  EXPECT_EQ(vertical.columns.size(), 30u + 10);
  EXPECT_EQ(vertical.distances.size(), 100u);
  // One distance holds it: a slash.
  LineMass other = Mass(2000);
  other.distance[0] = 32;
  other.distance[700] = 32;
  for (size_t j = 1200; j < 1400; ++j) other.column[j] = 0.16f;
  other.column[1999] = 32;
  const Lines slash = ChooseLinesByCoverage(other, 64, 0.99);
  EXPECT_EQ(slash.columns.size(), 30u);
  EXPECT_EQ(slash.distances.size(), 100u + 1);
  EXPECT_EQ(slash.distances[0], 700);
}

}  // namespace
}  // namespace quarry
