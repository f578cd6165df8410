#include "attention/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct MaskRow {
  const char* name;
  Mask mask;
  TokenPos query;
  TokenPos first, last;  // seen, both included; last < first: nothing
};

const MaskRow kMasks[] = {
    {"causal", Mask::Causal(), 10, 0, 10},
    {"causal, first token", Mask::Causal(), 0, 0, 0},
    {"band", Mask::Band(4), 10, 7, 10},
    {"band of one: itself", Mask::Band(1), 10, 10, 10},
    {"band wider than the text", Mask::Band(100), 10, 0, 10},
    {"band just as wide", Mask::Band(11), 10, 0, 10},
    {"beyond", Mask::Beyond(4), 10, 0, 6},
    {"beyond, only the first token", Mask::Beyond(10), 10, 0, 0},
    {"beyond, nothing that far", Mask::Beyond(11), 10, 0, -1},
};

TEST(Mask, Table) {
  for (const MaskRow& row : kMasks) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(row.mask.lo(row.query), row.first);
    EXPECT_EQ(row.mask.hi(row.query), row.last + 1);
  }
}

// A band and what is beyond it: every past token is in one of the two.
TEST(Mask, BandAndBeyondShareThePast) {
  for (int64_t width : {1, 2, 7, 50}) {
    for (TokenPos p = 0; p < 60; ++p) {
      const Mask band = Mask::Band(width), beyond = Mask::Beyond(width);
      for (TokenPos t = 0; t <= p; ++t) {
        const bool near = t >= band.lo(p) && t < band.hi(p);
        const bool far = t >= beyond.lo(p) && t < beyond.hi(p);
        ASSERT_NE(near, far) << width << " " << p << " " << t;
      }
      ASSERT_EQ(band.hi(p), p + 1);
      ASSERT_LE(beyond.hi(p), p + 1);
    }
  }
}

TEST(Mask, NoneSeesTheFuture) {
  EXPECT_EQ(Mask::None().lo(5), 0);
  EXPECT_GT(Mask::None().hi(5), int64_t{1} << 30);
}

Segment Part(IndexRange heads, IndexRange rows, Mask mask) {
  Segment s;
  s.heads = heads;
  s.rows = rows;
  s.mask = mask;
  return s;
}
Segment Whole(int heads, int rows, Mask mask = Mask::Causal()) {
  return Part({0, heads}, {0, rows}, mask);
}

TEST(AttentionPlan, JoinsTouchingSpansAndDropsEmptyOnes) {
  AttentionPlan plan;
  plan.Add(Whole(1, 1));
  plan.AddSpan({0, 0});
  plan.AddSpan({2, 5});
  plan.AddSpan({5, 9});
  plan.AddSpan({9, 9});
  plan.AddSpan({12, 13});
  plan.Add(Whole(1, 1));
  plan.AddSpan({13, 20});  // touches the other segment's, not its own
  plan.AddColumn(3);
  plan.AddColumn(25);
  const auto segments = plan.segments();
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_THAT(plan.spans(segments[0]), ElementsAre(TokenRange{2, 9}, TokenRange{12, 13}));
  EXPECT_THAT(plan.columns(segments[0]), IsEmpty());
  EXPECT_THAT(plan.spans(segments[1]), ElementsAre(TokenRange{13, 20}));
  EXPECT_THAT(plan.columns(segments[1]), ElementsAre(3, 25));
  EXPECT_EQ(plan.KeyCount(segments[0]), 8);
  EXPECT_EQ(plan.KeyCount(segments[1]), 9);
  plan.Clear();
  EXPECT_THAT(plan.segments(), IsEmpty());
  EXPECT_EQ(plan.AttendedPairs(0), 0);
}

struct PairsRow {
  const char* name;
  Mask mask;
  TokenPos first;
  int rows;
  TokenRange span;
  int64_t pairs;  // of one head
};

const PairsRow kPairs[] = {
    {"causal triangle", Mask::Causal(), 0, 4, {0, 4}, 10},
    {"all rows see all keys", Mask::Causal(), 8, 4, {0, 8}, 32},
    {"some of both", Mask::Causal(), 8, 2, {0, 10}, 19},
    {"band across its edge", Mask::Band(3), 4, 3, {0, 7}, 9},
    {"band, span ahead of it", Mask::Band(3), 10, 2, {0, 8}, 0},
    {"band, span just reached", Mask::Band(3), 10, 2, {0, 9}, 1},
    {"beyond", Mask::Beyond(3), 4, 3, {0, 7}, 2 + 3 + 4},
    {"no mask", Mask::None(), 4, 3, {0, 5}, 15},
    {"nothing", Mask::Causal(), 4, 3, {4, 4}, 0},
};

TEST(AttentionPlan, AttendedPairsTable) {
  for (const PairsRow& row : kPairs) {
    SCOPED_TRACE(row.name);
    AttentionPlan plan;
    plan.Add(Whole(3, row.rows, row.mask));
    plan.AddSpan(row.span);
    EXPECT_EQ(plan.AttendedPairs(row.first), 3 * row.pairs);
  }
}

TEST(AttentionPlan, CountsColumnsRowsAndDuplicates) {
  AttentionPlan plan;
  plan.Add(Part({1, 3}, {2, 5}, Mask::Causal()));
  plan.AddColumn(0);
  plan.AddColumn(7);
  EXPECT_EQ(plan.AttendedPairs(10), 2 * 3 * 2);
  plan.Add(Part({0, 1}, {1, 2}, Mask::Band(2)));
  plan.AddSpan({0, 12});  // row 1 stands at 11: tokens 10 and 11
  EXPECT_EQ(plan.AttendedPairs(10), 12 + 2);
  plan.AddDuplicatePairs(3);
  EXPECT_EQ(plan.AttendedPairs(10), 12 + 2 - 3);
}

// A sliding window of the model.
TEST(AttentionPlan, AWindowNarrowsTrueDistancesOnly) {
  AttentionPlan plan;
  plan.Add(Whole(2, 3, Mask::Causal()));
  plan.AddSpan({0, 13});
  plan.Add(Whole(2, 3, Mask::Band(3)));
  plan.AddSpan({8, 13});
  Segment capped = Whole(2, 3, Mask::Beyond(3));
  capped.position = PositionRule::Capped(2);
  plan.Add(capped);
  plan.AddSpan({0, 4});
  Segment slot = capped;
  slot.position = PositionRule::Slot(5);
  plan.Add(slot);
  plan.AddColumn(1);
  plan.LimitToWindow(10, 5);
  const auto segments = plan.segments();
  ASSERT_EQ(segments.size(), 4u);
  EXPECT_EQ(segments[0].mask.lo(10), 6);
  EXPECT_EQ(segments[0].mask.hi(10), 11);
  EXPECT_EQ(segments[1].mask.lo(10), 8);  // narrower than the window already
  EXPECT_EQ(segments[2].mask.lo(10), 0);
  EXPECT_EQ(segments[3].mask.lo(10), 0);
  EXPECT_THAT(plan.columns(segments[3]), ElementsAre(1));
}

struct ColumnsRow {
  const char* name;
  std::vector<TokenPos> columns;
  int64_t width;
  std::vector<TokenPos> stay;     // columns
  std::vector<TokenRange> spans;  // of the new segment
};

TEST(AttentionPlan, ColumnsOutsideOfAWindow) {
  // Rows at 10, 11 and 12.
  const ColumnsRow rows[] = {
      {"all inside", {8, 9}, 5, {8, 9}, {}},
      {"all outside", {1, 5}, 5, {}, {}},
      {"one row sees it", {6}, 5, {}, {{6, 7}}},
      {"two rows see it", {7}, 5, {}, {{7, 8}}},
      {"of each kind", {0, 5, 6, 7, 8, 9}, 5, {8, 9}, {{6, 8}}},
      {"only the query itself", {9, 10}, 1, {}, {{10, 11}}},
      {"wider than the text", {0, 9}, 100, {0, 9}, {}},
      {"none", {}, 5, {}, {}},
  };
  for (const ColumnsRow& row : rows) {
    SCOPED_TRACE(row.name);
    AttentionPlan plan;
    plan.Add(Whole(1, 3, Mask::Causal()));
    for (TokenPos t : row.columns) plan.AddColumn(t);
    plan.LimitToWindow(10, row.width);
    const auto segments = plan.segments();
    EXPECT_THAT(plan.columns(segments[0]), testing::ElementsAreArray(row.stay));
    ASSERT_EQ(segments.size(), row.spans.empty() ? 1u : 2u);
    if (row.spans.empty()) continue;
    EXPECT_THAT(plan.spans(segments[1]), testing::ElementsAreArray(row.spans));
    EXPECT_THAT(plan.columns(segments[1]), IsEmpty());
    EXPECT_EQ(segments[1].rows.end, 3);
    EXPECT_EQ(segments[1].mask.lo(10), 10 - row.width + 1);
  }
}

}  // namespace
}  // namespace quarry
