// Which blocks InfLLM retrieves: a state, and what must be chosen.
//
// Nothing rotates (all frequencies are 0), the query is the first unit vector, and every token of a
// block has the block's value as its first key channel: a block's relevance is its value.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

using testing::ElementsAreArray;

constexpr int64_t kSinks = 3, kWindow = 8, kBlock = 4;

InfLlmConfig Config(int64_t topk) {
  InfLlmConfig c;
  c.n_init = kSinks;
  c.n_local = kWindow;
  c.block_size = kBlock;
  c.exc_block_size = kWindow;
  c.topk = topk;
  c.repr_topk = kBlock;
  c.max_cached_block = topk;
  return c;
}

// Head h's query is `signs[h]` times the unit vector.
LayerInputs Inputs(const std::vector<float>& blocks, float sink, float rest, int tokens,
                   const std::vector<float>& signs = {1}) {
  LayerInputs in;
  in.shape = {1, static_cast<int>(signs.size()), 1, 8};
  in.tokens = tokens;
  for (int t = 0; t < tokens; ++t) {
    for (float sign : signs) {
      in.q.push_back(sign);
      in.q.insert(in.q.end(), 7, 0.0f);
    }
    const auto block = static_cast<size_t>((t - kSinks) / kBlock);
    in.k.push_back(t < kSinks ? sink : block < blocks.size() ? blocks[block] : rest);
    in.k.insert(in.k.end(), 7, 0.0f);
    in.v.insert(in.v.end(), 8, static_cast<float>(t));
  }
  return in;
}

InfLlmRecorder Record(const InfLlmConfig& c, const LayerInputs& in, const std::vector<int>& calls) {
  OneLayer layer(c, in.shape, DType::kF32, 10000, 0);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, calls);
  SetInfLlmObserver(layer.state(), nullptr);
  return recorder;
}

struct Row {
  const char* name;
  int64_t topk;
  std::vector<float> blocks;  // value of each; tokens behind them have `rest`
  float sink, rest;
  int tokens;  // before the query that selects
  std::vector<int64_t> want;
};

// Tokens after which `n` blocks exist.
constexpr int Holding(int n) { return static_cast<int>(kSinks + kWindow + n * kBlock); }

const Row kRows[] = {
    {"no block yet", 2, {1}, 0, 0, Holding(1) - 1, {}},
    {"the first block, just formed", 2, {1}, 0, 0, Holding(1), {0}},
    {"one token before the second", 2, {1, 2}, 0, 0, Holding(2) - 1, {0}},
    {"the second, just formed", 2, {1, 2}, 0, 0, Holding(2), {0, 1}},
    {"fewer blocks than the budget", 4, {1, -2}, 0, 0, Holding(2), {0, 1}},
    {"as many as the budget", 3, {3, -9, 1}, 0, 0, Holding(3), {0, 1, 2}},
    {"one more than the budget", 3, {3, -9, 1, 2}, 0, 0, Holding(4), {0, 2, 3}},
    {"the best is the first", 1, {9, 1, 2, 3}, 0, 0, Holding(4), {0}},
    {"the best is the last", 1, {1, 2, 3, 9}, 0, 0, Holding(4), {3}},
    {"the best is not formed yet", 1, {1, 2, 3, 9}, 0, 0, Holding(4) - 1, {2}},
    {"a partial last block is no candidate", 2, {1, 2, 3}, 0, 50, Holding(3) + 3, {1, 2}},
    {"the window is no candidate", 2, {1, 2, 3}, 0, 50, Holding(3), {1, 2}},
    {"sinks are no candidates", 2, {1, 2, 3}, 50, 0, Holding(3), {1, 2}},
    {"ascending, whatever the scores", 3, {5, 1, 9, 2, 7}, 0, 0, Holding(5), {0, 2, 4}},
    {"negative scores", 2, {-5, -1, -3}, 0, 0, Holding(3), {1, 2}},
    {"all equal: the first ones", 2, {4, 4, 4, 4}, 0, 0, Holding(4), {0, 1}},
    {"a tie at the border of the budget", 3, {1, 3, 2, 2, 2}, 0, 0, Holding(5), {1, 2, 3}},
    {"all zero", 3, {0, 0, 0, 0, 0}, 0, 0, Holding(5), {0, 1, 2}},
};

TEST(Selection, Table) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const LayerInputs in = Inputs(row.blocks, row.sink, row.rest, row.tokens + 1);
    const InfLlmRecorder r = Record(Config(row.topk), in, {row.tokens, 1});
    EXPECT_THAT(r.steps.back().selected[0], ElementsAreArray(row.want));
    for (size_t j = 0; j < r.steps.back().scores[0].size(); ++j) {
      EXPECT_EQ(r.steps.back().scores[0][j], row.blocks[j]);
    }
  }
}

// Two heads that want the opposite: together nothing is better than another, apart each has its
// own.
TEST(Selection, PerHead) {
  const LayerInputs in = Inputs({5, 1, 9, 2, 7}, 0, 0, Holding(5) + 1, {1, -1});
  InfLlmConfig c = Config(2);
  EXPECT_THAT(Record(c, in, {Holding(5), 1}).steps.back().selected,
              testing::ElementsAre(testing::ElementsAre(0, 1)));
  c.perhead = true;
  EXPECT_THAT(Record(c, in, {Holding(5), 1}).steps.back().selected,
              testing::ElementsAre(testing::ElementsAre(2, 4), testing::ElementsAre(1, 3)));
}

// An execution block sees the blocks that existed when it began; with chunk_topk_calc, when its
// span began; a call of one token is never part of a span.
TEST(Selection, CandidatesOfASpan) {
  const LayerInputs in = Inputs({1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 0, 50);
  InfLlmConfig c = Config(1);
  c.exc_block_size = 4;
  const auto candidates = [&](const std::vector<int>& calls) {
    std::vector<int64_t> n;
    for (const auto& s : Record(c, in, calls).steps) n.push_back(s.candidates);
    return n;
  };
  // Block j exists once 15 + 4 j tokens have been read.
  EXPECT_THAT(candidates({36, 1, 8}), ElementsAreArray({0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 6, 7}));
  c.chunk_topk_calc = 11;  // spans of 8 tokens
  EXPECT_THAT(candidates({36, 1, 8}), ElementsAreArray({0, 0, 0, 0, 1, 1, 3, 3, 5, 6, 6, 6}));
}

// The blocks that were chosen are those that are attended: values are token numbers, the sinks' and
// the window's are known, and equal scores make the output their mean.
TEST(Selection, ChosenBlocksAreAttended) {
  LayerInputs in = Inputs({0, 0, 0, 0}, 0, 0, Holding(4) + 1);
  const InfLlmConfig c = Config(2);
  OneLayer layer(c, in.shape, DType::kF32, 10000, 0);
  Feed(layer, in, std::vector<int>{Holding(4)});
  const auto out = Feed(layer, in, std::vector<int>{1});
  double sum = 0, n = 0;
  for (int t = 0; t < in.tokens; ++t) {
    const bool sink = t < kSinks, chosen = t >= kSinks && t < kSinks + 2 * kBlock;
    const bool recent = t >= kSinks + 4 * kBlock;
    if (!sink && !chosen && !recent) continue;
    sum += t;
    n += 1;
  }
  // Small integers and equal weights: the sums are exact, the quotient rounds twice.
  EXPECT_NEAR(static_cast<double>(out[0]), sum / n, 2 * kUnitF32 * sum / n);
}

}  // namespace
}  // namespace quarry
