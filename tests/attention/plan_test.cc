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

}  // namespace
}  // namespace quarry
