#include "attention/methods/kept_tokens.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace quarry {
namespace {

using testing::ElementsAre;

// Spans and columns of a fresh segment.
AttentionPlan PlanOf(const KeptTokens& kept) {
  AttentionPlan plan;
  plan.Add({.heads = {0, 1},
            .rows = {0, 1},
            .mask = Mask::Causal(),
            .position = PositionRule::Absolute()});
  kept.AddTo(plan);
  return plan;
}

TEST(KeptTokens, RunsGrowAndBreak) {
  KeptTokens kept;
  EXPECT_EQ(kept.size(), 0);
  kept.Append({0, 5});
  kept.Append({5, 5});
  kept.Append({5, 7});
  EXPECT_THAT(kept.tokens(), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  kept.Keep(std::vector<int32_t>{0, 2, 3, 6});
  EXPECT_THAT(kept.tokens(), ElementsAre(0, 2, 3, 6));
  kept.Append({7, 9});
  EXPECT_THAT(kept.tokens(), ElementsAre(0, 2, 3, 6, 7, 8));
  kept.Keep(std::vector<int32_t>{1, 5});
  EXPECT_THAT(kept.tokens(), ElementsAre(2, 8));
  kept.Keep({});
  EXPECT_EQ(kept.size(), 0);
  kept.Append({9, 10});
  EXPECT_THAT(kept.tokens(), ElementsAre(9));
}

// Long runs and the last one, which may hold tokens of the call, are spans; others are columns.
TEST(KeptTokens, SpansAndColumns) {
  KeptTokens kept;
  kept.Append({0, 30});
  kept.Keep(std::vector<int32_t>{1, 2, 5, 6, 7, 8, 12, 20, 21, 22, 23, 24, 29});
  kept.Append({30, 31});
  const AttentionPlan plan = PlanOf(kept);
  EXPECT_THAT(plan.spans(plan.segments()[0]),
              ElementsAre(TokenRange{5, 9}, TokenRange{20, 25}, TokenRange{29, 31}));
  EXPECT_THAT(plan.columns(plan.segments()[0]), ElementsAre(1, 2, 12));
}

TEST(KeptTokens, DropBefore) {
  KeptTokens kept(false);
  kept.Append({0, 12});
  kept.Keep(std::vector<int32_t>{0, 2, 3, 4, 9, 11});
  std::vector<float> scores = {1, 2, 3, 4, 5, 6};
  kept.AddScores(scores);
  kept.DropBefore(0);
  kept.DropBefore(3);
  EXPECT_THAT(kept.tokens(), ElementsAre(3, 4, 9, 11));
  EXPECT_THAT(kept.scores(), ElementsAre(3, 4, 5, 6));
  kept.DropBefore(5);
  EXPECT_THAT(kept.tokens(), ElementsAre(9, 11));
  EXPECT_THAT(kept.scores(), ElementsAre(5, 6));
  const AttentionPlan plan = PlanOf(kept);
  EXPECT_THAT(plan.columns(plan.segments()[0]), ElementsAre());
  kept.DropBefore(20);
  EXPECT_EQ(kept.size(), 0);
}

// Scores come in the plan's key order and land at their tokens.
TEST(KeptTokens, ScoresFindTheirTokens) {
  Rng rng(1);
  for (int trial = 0; trial < 50; ++trial) {
    KeptTokens kept;
    kept.Append({0, 80});
    std::vector<int32_t> stay;
    for (int32_t i = 0; i < 80; ++i) {
      if (rng.Below(5) < 3) stay.push_back(i);
    }
    kept.Keep(stay);
    kept.Append({80, 80 + static_cast<TokenPos>(1 + rng.Below(3))});
    const AttentionPlan plan = PlanOf(kept);
    std::vector<float> of_keys;
    for (const TokenRange& span : plan.spans(plan.segments()[0])) {
      for (TokenPos t = span.begin; t < span.end; ++t) of_keys.push_back(static_cast<float>(t));
    }
    for (TokenPos t : plan.columns(plan.segments()[0])) of_keys.push_back(static_cast<float>(t));
    ASSERT_EQ(static_cast<int64_t>(of_keys.size()), kept.size());
    kept.AddScores(of_keys);
    kept.AddScores(of_keys);
    const auto tokens = kept.tokens();
    for (size_t i = 0; i < tokens.size(); ++i) {
      ASSERT_EQ(kept.scores()[i], 2 * static_cast<float>(tokens[i]));
    }
    kept.ClearScores();
    for (float score : kept.scores()) ASSERT_EQ(score, 0.0f);
  }
}

}  // namespace
}  // namespace quarry
