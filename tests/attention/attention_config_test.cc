#include "quarry/attention_config.h"

#include <cmath>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(AttentionConfig, DefaultsAreValidAndNameThemselves) {
  EXPECT_THAT(MethodNames(), ElementsAre("dense", "stream-llm", "infinite-lm", "inf-llm", "qllm",
                                         "inf-quest", "quest", "h2o", "tova", "minference",
                                         "flexprefill", "a-shape", "tri-shape"));
  for (std::string_view name : MethodNames()) {
    const auto config = DefaultAttentionConfig(name);
    ASSERT_TRUE(config.ok()) << name;
    EXPECT_EQ(MethodName(*config), name);
    EXPECT_TRUE(Validate(*config).ok()) << Validate(*config).message();
  }
}

TEST(AttentionConfig, KnowsTheOriginalProjectsNames) {
  EXPECT_EQ(MethodName(*DefaultAttentionConfig("origin")), "dense");
  EXPECT_EQ(MethodName(*DefaultAttentionConfig("full")), "dense");
  EXPECT_EQ(MethodName(*DefaultAttentionConfig("stream-lm")), "stream-llm");
  EXPECT_EQ(MethodName(*DefaultAttentionConfig("streaming")), "stream-llm");
}

TEST(AttentionConfig, SuggestsTheNearestMethod) {
  const auto message = [](std::string_view name) {
    return DefaultAttentionConfig(name).status().message();
  };
  EXPECT_EQ(message("inf_llm"), "unknown attention method \"inf_llm\", did you mean \"inf-llm\"?");
  EXPECT_THAT(message("q-llm"), HasSubstr("did you mean \"qllm\"?"));
  EXPECT_THAT(message("streming"), HasSubstr("did you mean \"streaming\"?"));
  EXPECT_THAT(message("zzzzzzzzzzzzzzzz"), HasSubstr("must be one of dense, stream-llm"));
  EXPECT_EQ(DefaultAttentionConfig("").status().code(), StatusCode::kInvalidArgument);
}

template <typename Config>
struct Row {
  std::function<void(Config&)> change;
  std::string_view message;  // empty: valid
};

template <typename Config>
void CheckRows(std::initializer_list<Row<Config>> rows) {
  for (const auto& row : rows) {
    Config c;
    row.change(c);
    const Status s = Validate(AttentionConfig(c));
    EXPECT_EQ(s.message(), row.message);
    EXPECT_EQ(s.code(), row.message.empty() ? StatusCode::kOk : StatusCode::kInvalidArgument);
  }
}

TEST(AttentionConfig, ChecksWindows) {
  CheckRows<StreamLlmConfig>({
      {[](auto& c) { c.n_init = 0, c.n_local = 1; }, ""},
      {[](auto& c) { c.n_init = -1; },
       "stream-llm: n_init is -1, must be between 0 and 1073741824"},
      {[](auto& c) { c.n_local = 0; },
       "stream-llm: n_local is 0, must be between 1 and 1073741824"},
  });
  CheckRows<InfiniteLmConfig>({
      {[](auto& c) { c.n_local = int64_t{1} << 30; }, ""},
      {[](auto& c) { c.n_local = std::numeric_limits<int64_t>::max(); },
       "infinite-lm: n_local is 9223372036854775807, must be between 1 and 1073741824"},
  });
}

TEST(AttentionConfig, ChecksTheContextMemory) {
  CheckRows<InfLlmConfig>({
      {[](auto& c) { c.exc_block_size = c.n_local; }, ""},
      {[](auto& c) { c.exc_block_size = 8192; },
       "inf-llm: exc_block_size is 8192, must be between 1 and n_local (4096)"},
      {[](auto& c) { c.exc_block_size = 0; },
       "inf-llm: exc_block_size is 0, must be between 1 and n_local (4096)"},
      {[](auto& c) { c.repr_topk = c.block_size; }, ""},
      {[](auto& c) { c.repr_topk = 129; },
       "inf-llm: repr_topk is 129, must be between 1 and block_size (128)"},
      {[](auto& c) { c.block_size = 0; },
       "inf-llm: block_size is 0, must be between 1 and 1048576"},
      {[](auto& c) { c.topk = 0; }, "inf-llm: topk is 0, must be between 1 and 1048576"},
      {[](auto& c) { c.topk = 64, c.max_cached_block = 32; }, ""},
      {[](auto& c) { c.max_cached_block = 0; },
       "inf-llm: max_cached_block is 0, must be between 1 and 1073741824"},
      {[](auto& c) { c.cache_strategy = CachePolicy::kFifo; }, ""},
      {[](auto& c) { c.cache_strategy = CachePolicy::kLruS; },
       "inf-llm: score_decay is not given, cache_strategy lru-s needs it, a number between 0 and "
       "1"},
      {[](auto& c) { c.cache_strategy = CachePolicy::kLruS, c.score_decay = 0.1; }, ""},
      {[](auto& c) { c.score_decay = 1.5; },
       "inf-llm: score_decay is 1.5, must be between 0 and 1"},
      {[](auto& c) { c.score_decay = std::nan(""); },
       "inf-llm: score_decay is nan, must be between 0 and 1"},
      {[](auto& c) { c.chunk_topk_calc = 512; }, ""},
      {[](auto& c) { c.chunk_topk_calc = 511; },
       "inf-llm: chunk_topk_calc is 511, must be between exc_block_size (512) and 1073741824"},
  });
}

TEST(AttentionConfig, ChecksTheQuestion) {
  CheckRows<QLlmConfig>({
      {[](auto& c) { c.question_weight = 0; }, ""},
      {[](auto& c) { c.question_weight = -1; },
       "qllm: question_weight is -1, must be between 0 and 1000000"},
      {[](auto& c) { c.question_weight = std::nan(""); },
       "qllm: question_weight is nan, must be between 0 and 1000000"},
      {[](auto& c) { c.topk = 0; }, "qllm: topk is 0, must be between 1 and 1048576"},
      {[](auto& c) { c.chunk_topk_calc = 1024; },
       "qllm: chunk_topk_calc is 1024, must not be given: only inf-llm has it"},
  });
}

TEST(AttentionConfig, ChecksPages) {
  CheckRows<QuestConfig>({
      {[](auto&) {}, ""},
      {[](auto& c) { c.page_size = 0; }, "quest: page_size is 0, must be between 1 and 1048576"},
      {[](auto& c) { c.token_budget = 16; }, ""},
      {[](auto& c) { c.token_budget = 15; },
       "quest: token_budget is 15, must be between page_size (16) and 1073741824"},
      {[](auto& c) { c.token_budget = 15, c.selection = QuestSelection::kEval; }, ""},
      {[](auto& c) { c.token_budget = 0, c.selection = QuestSelection::kEval; },
       "quest: token_budget is 0, must be between 1 and 1073741824"},
      {[](auto& c) { c.dense_layers = -1; },
       "quest: dense_layers is -1, must be between 0 and 1073741824"},
      {[](auto& c) { c.group_score = QuestGroup::kMean; }, ""},
      {[](auto& c) { c.group_score = QuestGroup::kMean, c.selection = QuestSelection::kEval; },
       "quest: group_score must be per-head where selection is eval"},
  });
}

TEST(AttentionConfig, ChecksBudgetsThatGrow) {
  CheckRows<QuestConfig>({
      {[](auto& c) { c.target_coverage = 0.95; }, ""},
      {[](auto& c) { c.target_coverage = 1; },
       "quest: target_coverage is 1, must be above 0 and below 1, or 0 for fixed budgets"},
      {[](auto& c) { c.target_coverage = -0.1; },
       "quest: target_coverage is -0.1, must be above 0 and below 1, or 0 for fixed budgets"},
      {[](auto& c) { c.target_coverage = std::nan(""); },
       "quest: target_coverage is nan, must be above 0 and below 1, or 0 for fixed budgets"},
      {[](auto& c) { c.target_coverage = 0.9, c.max_budget = 1024; }, ""},
      {[](auto& c) { c.target_coverage = 0.9, c.max_budget = 1023; },
       "quest: max_budget is 1023, must be between token_budget (1024) and 1073741824"},
      {[](auto& c) { c.max_budget = 2048; },
       "quest: max_budget is 2048, needs a target_coverage above 0"},
  });
  CheckRows<InfLlmConfig>({
      {[](auto& c) { c.target_coverage = 0.95; }, ""},
      {[](auto& c) { c.target_coverage = 2; },
       "inf-llm: target_coverage is 2, must be above 0 and below 1, or 0 for fixed budgets"},
      {[](auto& c) { c.target_coverage = 0.9, c.max_budget = 2047; },
       "inf-llm: max_budget is 2047, must be between topk * block_size (2048) and 1073741824"},
  });
  CheckRows<InfQuestConfig>({
      {[](auto& c) { c.target_coverage = 0.95, c.max_budget = 2048; }, ""},
      {[](auto& c) { c.target_coverage = 0.9, c.max_budget = 2047; },
       "inf-quest: max_budget is 2047, must be between answer_budget (2048) and 1073741824"},
      {[](auto& c) { c.target_coverage = 0.9, c.read_budget = 4096, c.max_budget = 2048; },
       "inf-quest: max_budget is 2048, must be between read_budget (4096) and 1073741824"},
  });
}

TEST(AttentionConfig, ChecksEviction) {
  CheckRows<H2oConfig>({
      {[](auto& c) { c.heavy_size = 0; }, ""},
      {[](auto& c) { c.recent_size = 0; }, ""},
      {[](auto& c) { c.heavy_size = c.recent_size = 0; },
       "h2o: heavy_size and recent_size are 0, one must be at least 1"},
      {[](auto& c) { c.heavy_size = -1; },
       "h2o: heavy_size is -1, must be between 0 and 1073741824"},
  });
  CheckRows<TovaConfig>({
      {[](auto& c) { c.cache_size = 1; }, ""},
      {[](auto& c) { c.cache_size = 0; },
       "tova: cache_size is 0, must be between 1 and 1073741824"},
  });
}

TEST(AttentionConfig, PrefillShapes) {
  CheckRows<AShapeConfig>(
      {{[](auto&) {}, ""},
       {[](auto& c) { c.n_local = 0; }, "a-shape: n_local is 0, must be between 1 and 1073741824"},
       {[](auto& c) { c.n_init = -1; }, "a-shape: n_init is -1, must be between 0 and 1073741824"},
       {[](auto& c) { c.starting_layer = 10001; },
        "a-shape: starting_layer is 10001, must be between 0 and 10000"}});
  CheckRows<TriShapeConfig>({{[](auto& c) { c.n_last = 0; }, ""},
                             {[](auto& c) { c.n_last = -1; },
                              "tri-shape: n_last is -1, must be between 0 and 1073741824"}});
}

TEST(AttentionConfig, MInference) {
  CheckRows<MInferenceConfig>(
      {{[](auto&) {}, ""},
       {[](auto& c) { c.coverage = 0; },
        "minference: coverage is 0, must be above 0 and at most 1"},
       {[](auto& c) { c.coverage = NAN; },
        "minference: coverage is nan, must be above 0 and at most 1"},
       {[](auto& c) { c.top_k = 0; }, "minference: top_k is 0, must be between 1 and 1048576"},
       {[](auto& c) { c.vertical_size = -1; },
        "minference: vertical_size is -1, must be between 0 and 1073741824"},
       {[](auto& c) { c.ratio = 0; }, "minference: ratio is 0, must be above 0 and at most 1000"}});
}

TEST(AttentionConfig, FlexPrefill) {
  CheckRows<FlexPrefillConfig>(
      {{[](auto&) {}, ""},
       {[](auto& c) { c.gamma = 1; }, ""},
       {[](auto& c) { c.gamma = 0; }, "flexprefill: gamma is 0, must be above 0 and at most 1"},
       {[](auto& c) { c.gamma = 1.5; }, "flexprefill: gamma is 1.5, must be above 0 and at most 1"},
       {[](auto& c) { c.gamma = NAN; }, "flexprefill: gamma is nan, must be above 0 and at most 1"},
       {[](auto& c) { c.tau = 1.5; }, "flexprefill: tau is 1.5, must be between 0 and 1"},
       {[](auto& c) { c.block_size = 48; },
        "flexprefill: block_size is 48, must be 16, 32, 64 or 128"},
       {[](auto& c) { c.min_budget = 0; },
        "flexprefill: min_budget is 0, must be between 1 and 1073741824"},
       {[](auto& c) { c.max_budget = 0; },
        "flexprefill: max_budget is 0, must be between 1 and 1073741824"}});
}

}  // namespace
}  // namespace quarry
