// Which pages Quest keeps: a state, and what must be chosen.
//
// Nothing rotates (all frequencies are 0), the query is the first unit vector, and every token of a
// page has the page's value as its first key channel: a page's bound is its value.

#include "attention/methods/quest.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/attention_bounds.h"
#include "tests/support/layer_inputs.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr int64_t kPage = 4;

class Recorder : public QuestObserver {
 public:
  void OnStep(const QuestStep& s) override {
    ++steps;
    selected.assign(s.selected.begin(), s.selected.end());
  }
  int steps = 0;
  std::vector<std::vector<int32_t>> selected;
};

QuestConfig Config(int64_t budget_pages, QuestSelection selection = QuestSelection::kKernel) {
  QuestConfig c;
  c.page_size = kPage;
  c.token_budget = budget_pages * kPage;
  c.dense_layers = 0;
  c.selection = selection;
  return c;
}

// Head h's query is `queries[h]` times the unit vector; page p's keys are `pages[p]` times it.
LayerInputs Inputs(const std::vector<float>& pages, int tokens,
                   const std::vector<float>& queries = {1}) {
  LayerInputs in;
  in.shape = {1, static_cast<int>(queries.size()), 1, 8};
  in.tokens = tokens;
  for (int t = 0; t < tokens; ++t) {
    for (float x : queries) {
      in.q.push_back(x);
      in.q.insert(in.q.end(), 7, 0.0f);
    }
    in.k.push_back(pages[static_cast<size_t>(t / kPage)]);
    in.k.insert(in.k.end(), 7, 0.0f);
    in.v.insert(in.v.end(), 8, static_cast<float>(t));
  }
  return in;
}

// A prompt of all tokens but the last, which is decoded.
std::vector<std::vector<int32_t>> Choose(const QuestConfig& c, const LayerInputs& in) {
  EXPECT_TRUE(c.Validate().ok()) << c.Validate().message();
  OneLayer layer(c, in.shape, DType::kF32, 10000, 0);
  Recorder recorder;
  SetQuestObserver(layer.state(), &recorder);
  if (in.tokens > 1) Feed(layer, in, std::vector<int>{in.tokens - 1}, {}, Phase::kPrefill);
  EXPECT_EQ(recorder.steps, 0);
  Feed(layer, in, std::vector<int>{1}, {}, Phase::kDecode);
  EXPECT_EQ(recorder.steps, 1);
  return recorder.selected;
}

struct Row {
  const char* name;
  int64_t budget;  // pages
  std::vector<float> pages;
  int tokens;
  std::vector<int32_t> kernel, eval;
};

const Row kRows[] = {
    {"one token", 2, {1}, 1, {0}, {0}},
    {"one page", 2, {1}, 4, {0}, {0}},
    {"one token of the second page", 2, {5, 1}, 5, {0, 1}, {0, 1}},
    {"as many pages as the budget", 3, {3, 2, 1}, 12, {0, 1, 2}, {0, 1, 2}},
    {"one page too many: the last stays", 3, {3, 1, 2, 0}, 16, {0, 2, 3}, {0, 1, 2}},
    {"only the last page fits", 1, {3, 1, 2, 0}, 16, {3}, {0, 1, 2}},
    {"the last page is the best", 3, {3, 1, 2, 9}, 16, {0, 2, 3}, {0, 2, 3}},
    {"the last page is partial", 3, {3, 1, 2, 9}, 13, {0, 2, 3}, {0, 2, 3}},
    {"negative bounds", 3, {-3, -1, -2, -9}, 16, {1, 2, 3}, {0, 1, 2}},
    {"a tie at the border", 3, {1, 2, 2, 2, 0}, 20, {1, 2, 4}, {1, 2, 3}},
    {"all equal: the first ones", 4, {1, 1, 1, 1, 1, 1}, 24, {0, 1, 2, 5}, {0, 1, 2, 3}},
    {"ascending, whatever the bounds", 4, {1, 9, 3, 8, 2, 0}, 24, {1, 2, 3, 5}, {1, 2, 3, 4}},
    {"the evaluation path drops a page of a text that fits",
     100,
     {3, 2, 1, 4},
     14,
     {0, 1, 2, 3},
     {0, 1, 3}},
    {"the evaluation path drops the query's own page",
     100,
     {3, 2, 1, 0},
     14,
     {0, 1, 2, 3},
     {0, 1, 2}},
};

TEST(QuestSelection, Table) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const LayerInputs in = Inputs(row.pages, row.tokens);
    EXPECT_THAT(Choose(Config(row.budget), in), ElementsAre(ElementsAreArray(row.kernel)));
    EXPECT_THAT(Choose(Config(row.budget, QuestSelection::kEval), in),
                ElementsAre(ElementsAreArray(row.eval)));
  }
}

// A budget is rounded down to pages.
TEST(QuestSelection, BudgetInTokens) {
  const LayerInputs in = Inputs({5, 4, 3, 2, 1}, 20);
  QuestConfig c = Config(3);
  for (int64_t budget : {12, 13, 15}) {
    c.token_budget = budget;
    EXPECT_THAT(Choose(c, in), ElementsAre(ElementsAre(0, 1, 4))) << budget;
  }
  c.token_budget = 16;
  EXPECT_THAT(Choose(c, in), ElementsAre(ElementsAre(0, 1, 2, 4)));
}

// Three query heads over one KV head: one likes high pages a little, one low pages a lot, one
// nothing. Bounds per page {p, -4p, 0} of values {5, 1, -2, -4, 0}.
TEST(QuestSelection, Groups) {
  const LayerInputs in = Inputs({5, 1, -2, -4, 0}, 20, {1, -4, 0});
  QuestConfig c = Config(3);
  EXPECT_THAT(Choose(c, in),
              ElementsAre(ElementsAre(0, 1, 4), ElementsAre(2, 3, 4), ElementsAre(0, 1, 4)));
  c.group_score = QuestGroup::kMean;  // sums {-15, -3, 6, 12}
  EXPECT_THAT(Choose(c, in), ElementsAre(ElementsAre(2, 3, 4)));
  c.group_score = QuestGroup::kMax;  // {5, 1, 8, 16}
  EXPECT_THAT(Choose(c, in), ElementsAre(ElementsAre(2, 3, 4)));
}

// In a layer with a sliding window the budget is spent inside it; the page that reaches over its
// border counts.
TEST(QuestSelection, SlidingWindow) {
  LayerInputs in = Inputs({9, 8, 1, 3, 2, 0}, 24);
  const auto choose = [&](int64_t window, int64_t budget, QuestSelection selection) {
    in.shape.windows = {window};
    return Choose(Config(budget, selection), in)[0];
  };
  constexpr auto kKernel = QuestSelection::kKernel, kEval = QuestSelection::kEval;
  EXPECT_THAT(choose(24, 3, kKernel), ElementsAre(0, 1, 5));
  EXPECT_THAT(choose(20, 3, kKernel), ElementsAre(1, 3, 5));
  EXPECT_THAT(choose(17, 3, kKernel), ElementsAre(1, 3, 5));
  EXPECT_THAT(choose(16, 3, kKernel), ElementsAre(3, 4, 5));
  EXPECT_THAT(choose(12, 3, kKernel), ElementsAre(3, 4, 5));
  EXPECT_THAT(choose(1, 3, kKernel), ElementsAre(5));
  EXPECT_THAT(choose(20, 3, kEval), ElementsAre(1, 3, 4));
  EXPECT_THAT(choose(12, 5, kEval), ElementsAre(3, 4, 5));
}

// The chosen pages are those that are attended: values are token numbers and equal scores make the
// output their mean.
TEST(QuestSelection, ChosenPagesAreAttended) {
  const LayerInputs in = Inputs({0, 0, 0, 0, 0}, 18);
  OneLayer layer(Config(3), in.shape, DType::kF32, 10000, 0);
  Feed(layer, in, std::vector<int>{17}, {}, Phase::kPrefill);
  const auto out = Feed(layer, in, std::vector<int>{1}, {}, Phase::kDecode);
  // Pages 0 and 1, and tokens 16 and 17 of the last.
  const double want = (28.0 + 16 + 17) / 10;
  EXPECT_NEAR(static_cast<double>(out[0]), want, 4 * kUnitF32 * want);
  EXPECT_EQ(layer.pairs().attended, 17 * 18 / 2 + 10);
}

// Prompts are attended densely, a call of one token as well as any.
TEST(Quest, ReadsPromptsDensely) {
  Rng rng(7);
  const LayerInputs in = RandomInputs(rng, {1, 4, 2, 16}, 100);
  OneLayer dense(DenseConfig{}, in.shape, DType::kF16), quest(Config(2), in.shape, DType::kF16);
  const std::vector<int> calls = {40, 1, 58, 1};
  EXPECT_EQ(Feed(quest, in, calls, {}, Phase::kPrefill),
            Feed(dense, in, calls, {}, Phase::kPrefill));
  EXPECT_EQ(quest.pairs().attended, dense.pairs().attended);
}

TEST(Quest, DenseLayersKeepNoSummaries) {
  Rng rng(8);
  const LayerInputs in = RandomInputs(rng, {1, 4, 2, 16}, 100);
  QuestConfig c = Config(2);
  c.dense_layers = 1;
  OneLayer dense(DenseConfig{}, in.shape, DType::kF16), quest(c, in.shape, DType::kF16);
  const std::vector<int> calls = {60, 1, 1, 38};
  EXPECT_EQ(Feed(quest, in, calls), Feed(dense, in, calls));
  EXPECT_EQ(quest.state().size_bytes(), 0u);
  const auto method = MakeMethod(c);
  const ModelShape three = {3, 4, 2, 16};
  c.dense_layers = 0;
  EXPECT_EQ(2 * MakeMethod(c)->StateBytes(three, DType::kF16, 1000),
            3 * method->StateBytes(three, DType::kF16, 1000));
}

// Two steps of two query heads that keep three pages each.
TEST(Quest, CountsPages) {
  const LayerInputs in = Inputs({5, 4, 3, 2, 1}, 18, {1, 2});
  OneLayer layer(Config(3), in.shape, DType::kF32, 10000, 0);
  Feed(layer, in, std::vector<int>{16}, {}, Phase::kPrefill);
  Feed(layer, in, std::vector<int>{1, 1}, {}, Phase::kDecode);
  MethodStats stats;
  layer.state().AddStats(stats);
  EXPECT_EQ(stats.memory_blocks, 5);
  EXPECT_EQ(stats.blocks_retrieved, 2 * 2 * 3);
}

}  // namespace
}  // namespace quarry
