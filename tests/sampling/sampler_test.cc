#include "sampling/sampler.h"

#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

namespace quarry {
namespace {

std::map<TokenId, int> Draw(const SamplingOptions& options, const std::vector<float>& logits,
                            int n) {
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.Pick(logits)];
  return counts;
}

TEST(Sampler, GreedyTakesTheHighestAndTheLowestIdOfEquals) {
  Sampler greedy({});
  EXPECT_EQ(greedy.Pick(std::vector<float>{1, 3, 2}), 1);
  EXPECT_EQ(greedy.Pick(std::vector<float>{5, 5, 5}), 0);
  EXPECT_EQ(greedy.Pick(std::vector<float>{NAN, -INFINITY, -7}), 2);
  EXPECT_EQ(greedy.Pick(std::vector<float>{NAN, NAN}), 0);
}

TEST(Sampler, DrawsByProbability) {
  // Probabilities 0.5, 0.25, 0.25; three standard deviations of 20000 draws are 0.011.
  const std::vector<float> logits = {std::log(2.0f), 0, 0};
  const auto counts = Draw({.temperature = 1, .seed = 7}, logits, 20000);
  EXPECT_NEAR(counts.at(0) / 20000.0, 0.5, 0.011);
  EXPECT_NEAR(counts.at(1) / 20000.0, 0.25, 0.011);
}

TEST(Sampler, TheSeedFixesTheDraws) {
  const std::vector<float> logits(50, 0.0f);
  Sampler a({.temperature = 1, .seed = 3}), b({.temperature = 1, .seed = 3}),
      c({.temperature = 1, .seed = 4});
  int differ = 0;
  for (int i = 0; i < 100; ++i) {
    const TokenId x = a.Pick(logits);
    EXPECT_EQ(x, b.Pick(logits));
    differ += x != c.Pick(logits);
  }
  EXPECT_GT(differ, 50);
}

TEST(Sampler, TemperatureSharpens) {
  const std::vector<float> logits = {1, 0};
  // p(0) = 1 / (1 + e^-10)
  EXPECT_GT(Draw({.temperature = 0.1}, logits, 2000).at(0), 1990);
  // p(0) = 1 / (1 + e^-0.1) = 0.525
  EXPECT_NEAR(Draw({.temperature = 10}, logits, 20000).at(0) / 20000.0, 0.525, 0.011);
}

TEST(Sampler, TopKTopPAndMinPRemoveTheTail) {
  // Probabilities 0.4, 0.3, 0.2, 0.1.
  const std::vector<float> logits = {std::log(4.0f), std::log(3.0f), std::log(2.0f), 0};
  EXPECT_EQ(Draw({.temperature = 1, .top_k = 2}, logits, 500).size(), 2u);
  EXPECT_EQ(Draw({.temperature = 1, .top_k = 9}, logits, 2000).size(), 4u);
  // 0.4 + 0.3 reaches 0.65; the token that reaches it stays.
  EXPECT_EQ(Draw({.temperature = 1, .top_p = 0.65}, logits, 500).size(), 2u);
  EXPECT_EQ(Draw({.temperature = 1, .top_p = 0.75}, logits, 2000).size(), 3u);
  EXPECT_EQ(Draw({.temperature = 1, .top_p = 1e-9}, logits, 50).size(), 1u);
  // At least 0.6 of the most likely: 0.4 and 0.3.
  EXPECT_EQ(Draw({.temperature = 1, .min_p = 0.6}, logits, 500).size(), 2u);
}

TEST(Sampler, RepetitionPenaltyAppliesToGreedyToo) {
  Sampler sampler({.repetition_penalty = 2});
  const std::vector<float> logits = {3, 2, -1};
  EXPECT_EQ(sampler.Pick(logits), 0);
  sampler.Accept(0);
  EXPECT_EQ(sampler.Pick(logits), 1);  // 1.5, 2, -1
  sampler.Accept(1);
  EXPECT_EQ(sampler.Pick(logits), 0);  // 1.5, 1, -1
  // Negative logits are multiplied: -1 becomes -2.
  Sampler negative({.repetition_penalty = 2});
  negative.Accept(0);
  EXPECT_EQ(negative.Pick(std::vector<float>{-1, -1.5f}), 1);
}

TEST(SamplingOptions, NamesTheValueAndTheRange) {
  EXPECT_TRUE(SamplingOptions{}.Validate().ok());
  const struct {
    SamplingOptions options;
    const char* message;
  } bad[] = {
      {{.temperature = -1}, "temperature is -1, must be in [0, 100]"},
      {{.temperature = NAN}, "temperature is nan"},
      {{.top_k = -1}, "top_k is -1"},
      {{.top_p = 0}, "top_p is 0, must be in (0, 1]"},
      {{.min_p = 1.5}, "min_p is 1.5"},
      {{.repetition_penalty = 0}, "repetition_penalty is 0"},
  };
  for (const auto& b : bad) {
    const Status s = b.options.Validate();
    EXPECT_EQ(s.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(s.message().find(b.message), std::string::npos) << s.message();
  }
}

}  // namespace
}  // namespace quarry
