// A fact planted in a book, on the bundled model: Quest finds it with an eighth of the context, a
// window of the same size does not.

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/prompt.h"

#include "kernels/dispatch.h"
#include "model/model.h"
#include "ops/rope_frequencies.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

constexpr const char* kNeedle = " The special magic number for quiet-otter is 8231947.";
constexpr const char* kAnswer = "8231947";

class NeedleTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto folder = SourcePath("models/needle-5m-8k");
    auto model = Model::Load(folder);
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *model;
    auto tokenizer = Tokenizer::Load(folder);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    tokenizer_.emplace(std::move(*tokenizer));

    std::ifstream in(SourcePath("data/pride_and_prejudice.txt"));
    std::stringstream book;
    book << in.rdbuf();
    std::string text = book.str().substr(20000, 13000);
    const size_t at = text.find(". ", text.size() / 3) + 1;
    text.insert(at, kNeedle);
    const auto prompt = RawPrompt(
        *tokenizer_, "<|im_start|>user\n" + text +
                         "\n\nWhat is the special magic number for quiet-otter?<|im_end|>\n"
                         "<|im_start|>assistant\n");
    ASSERT_TRUE(prompt.ok()) << prompt.status().message();
    prompt_ = prompt->tokens;
    ASSERT_GT(prompt_.size(), 3500u);
    ASSERT_LT(prompt_.size(), 4500u);
  }

  // The prompt but for its last 40 tokens is read, those and the answer are decoded one by one.
  std::vector<TokenId> Answer(const AttentionSetup& setup, double* density = nullptr) {
    const ModelShape& shape = model_->shape();
    ExecContext ctx(**kernels::ChooseKernelsFromEnvironment(), 2);
    Sequence sequence(shape, MakeRope(model_->config().rope, shape.head_dim, 8192),
                      std::make_shared<const MethodSet>(setup, shape.layers),
                      {.kv_dtype = DType::kF16, .hints = {}});
    std::vector<float> logits(static_cast<size_t>(model_->config().vocab_size));
    const size_t read = prompt_.size() - 40;
    for (size_t i = 0; i < read; i += 512) {
      const auto part = std::span(prompt_).subspan(i, std::min<size_t>(512, read - i));
      EXPECT_TRUE(model_->Forward(part, sequence, ctx, {}, {}).ok());
    }
    const int64_t attended = sequence.pairs().attended, causal = sequence.pairs().causal;
    std::vector<TokenId> answer;
    for (size_t i = read; answer.size() < 8; ++i) {
      const TokenId next[] = {i < prompt_.size() ? prompt_[i] : answer.back()};
      EXPECT_TRUE(model_->Forward(next, sequence, ctx, logits, {.phase = Phase::kDecode}).ok());
      if (i + 1 < prompt_.size()) continue;
      answer.push_back(
          static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    }
    if (density != nullptr) {
      *density = static_cast<double>(sequence.pairs().attended - attended) /
                 static_cast<double>(sequence.pairs().causal - causal);
    }
    return answer;
  }
  std::string Text(const std::vector<TokenId>& ids) const { return *tokenizer_->Decode(ids); }

  std::shared_ptr<const Model> model_;
  std::optional<Tokenizer> tokenizer_;
  std::vector<TokenId> prompt_;
};

TEST_F(NeedleTest, QuestFindsWhatAWindowLoses) {
  const std::vector<TokenId> dense = Answer(DenseConfig{});
  EXPECT_NE(Text(dense).find(kAnswer), std::string::npos) << Text(dense);

  QuestConfig quest;
  quest.token_budget = 512;
  for (QuestGroup group : {QuestGroup::kPerHead, QuestGroup::kMean, QuestGroup::kMax}) {
    quest.group_score = group;
    double density = 0;
    const std::vector<TokenId> answer = Answer(quest, &density);
    EXPECT_EQ(answer, dense) << Text(answer);
    // Two of six layers are dense, the others read an eighth.
    EXPECT_NEAR(density, 2.0 / 6 + 4.0 / 6 * 512 / static_cast<double>(prompt_.size()), 0.01);
  }
  quest.group_score = QuestGroup::kPerHead;
  quest.page_bounds = PageBoundsType::kInt8;
  EXPECT_EQ(Answer(quest), dense);
  quest.page_bounds = PageBoundsType::kKeys;
  quest.selection = QuestSelection::kEval;
  EXPECT_EQ(Answer(quest), dense);

  const std::string window = Text(Answer(StreamLlmConfig{4, 508}));
  EXPECT_EQ(window.find(kAnswer), std::string::npos) << window;
}

TEST_F(NeedleTest, ABudgetForEverythingIsDense) {
  QuestConfig quest;
  quest.token_budget = 8192;
  double density = 0;
  EXPECT_EQ(Answer(quest, &density), Answer(DenseConfig{}));
  EXPECT_EQ(density, 1);
}

}  // namespace
}  // namespace quarry
