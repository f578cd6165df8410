#include "quarry/attention_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attention/method_set.h"

namespace quarry {
namespace {

using testing::HasSubstr;

const StreamLlmConfig kWindow = {.n_init = 4, .n_local = 16};

TEST(AttentionSetup, NamesWhatStandsWhere) {
  EXPECT_EQ(Describe(AttentionSetup{}), "dense");
  AttentionSetup setup = InfLlmConfig{};
  EXPECT_EQ(Describe(setup), "inf-llm");
  setup.layers.push_back({0, 1, PhaseMethods(DenseConfig{})});
  setup.layers.push_back({5, 5, {kWindow, DenseConfig{}}});
  EXPECT_EQ(Describe(setup), "inf-llm, layers 0-1 dense, layer 5 stream-llm, decode dense");
}

TEST(AttentionSetup, RefusesPairsThatCannotWork) {
  EXPECT_TRUE(Validate(AttentionSetup{kWindow, DenseConfig{}}).ok());
  EXPECT_TRUE(Validate(AttentionSetup{InfLlmConfig{}, InfLlmConfig{}}).ok());
  EXPECT_THAT(Validate(AttentionSetup{InfLlmConfig{}, DenseConfig{}}).message(),
              HasSubstr("prefill is inf-llm and decode is dense, must both be inf-llm"));
  EXPECT_THAT(Validate(AttentionSetup{DenseConfig{}, QLlmConfig{}}).message(),
              HasSubstr("must both be qllm"));
  InfLlmConfig other;
  other.topk += 1;
  EXPECT_THAT(Validate(AttentionSetup{InfLlmConfig{}, other}).message(),
              HasSubstr("with the same parameters"));
  AttentionSetup bad = DenseConfig{};
  bad.layers.push_back({3, 2, PhaseMethods(DenseConfig{})});
  EXPECT_THAT(Validate(bad).message(), HasSubstr("layers is 3-2"));
  bad.layers = {{0, 0, PhaseMethods(StreamLlmConfig{.n_local = 0})}};
  EXPECT_THAT(Validate(bad).message(), HasSubstr("n_local is 0"));
}

TEST(AttentionSetup, QuestOnlyDecodes) {
  const AttentionSetup setup = QuestConfig{};
  EXPECT_EQ(MethodName(setup.methods.prefill), "dense");
  EXPECT_EQ(MethodName(setup.methods.decode), "quest");
  EXPECT_EQ(Describe(setup), "quest");
  EXPECT_TRUE(Validate(setup).ok());
  EXPECT_THAT(Validate(AttentionSetup{QuestConfig{}, QuestConfig{}}).message(),
              HasSubstr("quest only decodes"));
  EXPECT_TRUE(Validate(AttentionSetup{kWindow, QuestConfig{}}).ok());
  EXPECT_TRUE(Validate(AttentionSetup{DenseConfig{}, H2oConfig{}}).ok());
  EXPECT_TRUE(Validate(AttentionSetup{TovaConfig{}, TovaConfig{}}).ok());
}

// Not the automatic mode instead, without a word.
TEST(MethodSet, RefusesAPatternFileThatNobodyRead) {
  MInferenceConfig config;
  config.pattern_file = "heads.json";
  const std::vector<std::string> reasons =
      MethodSet(AttentionSetup(config), 1).Unsupported({1, 2, 1, 32});
  ASSERT_EQ(reasons.size(), 1u);
  EXPECT_THAT(reasons[0], HasSubstr("pattern_file heads.json was not read"));
}

// Nor are layers that the model does not have passed over; methods that no layer uses may need
// what they like.
TEST(MethodSet, RefusesLayersThatTheModelDoesNotHave) {
  AttentionSetup setup = DenseConfig{};
  setup.layers.push_back({1, 7, PhaseMethods(kWindow)});
  const std::vector<std::string> reasons = MethodSet(setup, 4).Unsupported({4, 2, 1, 32});
  EXPECT_THAT(reasons,
              testing::ElementsAre("layers names layer 7, must be below 4, the model's layers"));
  setup = QuestConfig{.dense_layers = 4};
  EXPECT_THAT(
      MethodSet(setup, 4).Unsupported({4, 2, 1, 32}),
      testing::ElementsAre("quest: dense_layers is 4, must be below 4, the model's layers"));
  setup.layers.push_back({0, 3, PhaseMethods(DenseConfig{})});
  EXPECT_THAT(MethodSet(setup, 4).Unsupported({4, 2, 1, 32}), testing::IsEmpty());
}

// Keys and values that one of the methods drops stay if another reads them.
TEST(MethodSet, KeepsWhatAnyMethodReads) {
  const MethodNeeds window = MethodSet(kWindow, 2).needs();
  const auto values = static_cast<size_t>(KvPlane::kValues);
  const auto raw = static_cast<size_t>(KvPlane::kRawKeys);
  EXPECT_NE(window.planes[values].keep_last, PlaneRule::kAll);
  EXPECT_TRUE(window.farthest.has_value());

  const MethodNeeds both = MethodSet(AttentionSetup{kWindow, DenseConfig{}}, 2).needs();
  EXPECT_EQ(both.planes[values].keep_last, PlaneRule::kAll);
  EXPECT_EQ(both.planes[raw].stored, window.planes[raw].stored);
  EXPECT_FALSE(both.farthest.has_value());

  AttentionSetup by_layer = kWindow;
  by_layer.layers.push_back({1, 1, PhaseMethods(DenseConfig{})});
  EXPECT_EQ(MethodSet(by_layer, 2).needs().planes[values].keep_last, PlaneRule::kAll);
  // A range beyond the model's layers needs nothing.
  EXPECT_NE(MethodSet(by_layer, 1).needs().planes[values].keep_last, PlaneRule::kAll);
}

TEST(MethodSet, StatesFollowTruncateAndClone) {
  const MethodSet set(AttentionSetup{kWindow, DenseConfig{}}, 1);
  LayerState state = set.NewState({1, 2, 1, 32}, DType::kF32, 0);
  ASSERT_NE(state.decode, nullptr);
  EXPECT_EQ(state.Truncate(7), 7);
  EXPECT_NE(state.Clone().decode, nullptr);
  EXPECT_EQ(MethodSet(kWindow, 1).NewState({1, 2, 1, 32}, DType::kF32, 0).decode, nullptr);
}

}  // namespace
}  // namespace quarry
