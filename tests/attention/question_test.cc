#include "attention/methods/question.h"

#include <limits>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// ---- TopIndices
// -----------------------------------------------------------------------------------

struct TopRow {
  const char* name;
  std::vector<float> scores;
  int64_t k;
  std::vector<int64_t> ascending;
};

const TopRow kTop[] = {
    {"plain", {1, 5, 3, 4}, 2, {1, 3}},
    {"fewer than k", {1, 5}, 4, {0, 1}},
    {"none", {}, 3, {}},
    {"k is 0", {1, 2}, 0, {}},
    {"all equal: the first ones", {2, 2, 2, 2, 2}, 3, {0, 1, 2}},
    {"a tie at the border", {1, 3, 2, 2, 2}, 3, {1, 2, 3}},
    {"a tie at the border, seen from behind", {2, 2, 2, 3, 1}, 2, {0, 3}},
    {"infinities", {-kInf, 1, kInf}, 2, {1, 2}},
    {"NaN is lowest", {kNan, 1, kNan, 0, -7}, 3, {1, 3, 4}},
    {"NaN only where nothing else is left", {kNan, kNan, 1}, 2, {0, 2}},
    {"all NaN", {kNan, kNan, kNan}, 2, {0, 1}},
};

TEST(TopIndices, Table) {
  for (const TopRow& row : kTop) {
    SCOPED_TRACE(row.name);
    EXPECT_THAT(TopIndices(row.scores, row.k), ElementsAreArray(row.ascending));
  }
}

TEST(TopIndices, FollowsTheModelWithManyTies) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    std::vector<float> scores;
    for (uint64_t n = rng.Below(60); n > 0; --n) {
      scores.push_back(static_cast<float>(static_cast<int>(rng.Below(9)) - 4));
    }
    const auto k = static_cast<int64_t>(rng.Below(12));
    std::vector<int64_t> want = reference::Best({scores.begin(), scores.end()}, k);
    std::sort(want.begin(), want.end());
    ASSERT_EQ(TopIndices(scores, k), want) << "seed " << seed;
  }
}

// ---- when the vector is formed, and of which tokens
// -----------------------------------------------

struct FormRow {
  const char* name;
  std::vector<int> calls;
  TokenRange question;
  QuestionMode mode;
  TokenPos formed_at;            // end of the execution block that forms it; -1: never
  std::vector<TokenPos> tokens;  // that it is made of, per head; R is as long as the question
};

constexpr QuestionMode kReference = QuestionMode::kReference, kStrict = QuestionMode::kStrict;

// L 8, X 4, I 4.
const FormRow kForm[] = {
    {"reference: first block that ends beyond the window", {40}, {1, 4}, kReference, 12, {1, 2, 3}},
    {"strict: the same", {40}, {1, 4}, kStrict, 12, {1, 2, 3}},
    {"first call as long as the window", {8, 32}, {1, 4}, kStrict, 12, {1, 2, 3}},
    {"reference: rows of the later call", {6, 34}, {1, 4}, kReference, 10, {7, 8, 9}},
    {"strict: its own tokens all the same", {6, 34}, {1, 4}, kStrict, 10, {1, 2, 3}},
    {"reference: rows cut by the end of the call", {7, 3, 30}, {1, 4}, kReference, 10, {8, 9}},
    {"reference: behind the end of the call", {8, 1, 1, 30}, {1, 4}, kReference, -1, {}},
    {"strict: single tokens", {8, 1, 1, 30}, {1, 4}, kStrict, 9, {1, 2, 3}},
    {"reference: question not yet read", {40}, {20, 23}, kReference, 12, {20, 21, 22}},
    {"strict: waits until it is read", {40}, {20, 23}, kStrict, 24, {20, 21, 22}},
    {"strict: ends with the block", {40}, {21, 24}, kStrict, 24, {21, 22, 23}},
    {"strict: over two calls", {22, 18}, {20, 23}, kStrict, 26, {20, 21, 22}},
    {"strict: never read", {40}, {38, 41}, kStrict, -1, {}},
    {"no question", {40}, {0, 0}, kStrict, -1, {}},
    {"turned around", {40}, {4, 1}, kReference, -1, {}},
    {"text within the window", {8}, {1, 4}, kReference, -1, {}},
};

TEST(QuestionVector, FormTable) {
  for (const FormRow& row : kForm) {
    SCOPED_TRACE(row.name);
    QLlmConfig c;
    c.n_init = 4;
    c.n_local = 8;
    c.block_size = 4;
    c.exc_block_size = 4;
    c.topk = 2;
    c.repr_topk = 3;
    c.question_mode = row.mode;
    Rng rng(1);
    const LayerInputs in = RandomInputs(rng, {1, 2, 1, 8}, 40);
    OneLayer layer(c, in.shape, DType::kF32);
    InfLlmRecorder recorder;
    SetInfLlmObserver(layer.state(), &recorder);
    Feed(layer, in, row.calls, {row.question});
    TokenPos formed_at = -1;
    std::vector<TokenPos> tokens;
    std::vector<float> vector;
    for (const auto& s : recorder.steps) {
      if (s.question.empty()) continue;
      if (formed_at < 0) {
        formed_at = s.end;
        tokens = s.question_tokens;
        vector = s.question;
      }
      EXPECT_EQ(s.question, vector) << "formed twice";
    }
    EXPECT_EQ(formed_at, row.formed_at);
    std::vector<TokenPos> both_heads = row.tokens;
    both_heads.insert(both_heads.end(), row.tokens.begin(), row.tokens.end());
    EXPECT_EQ(tokens, both_heads);
  }
}

}  // namespace
}  // namespace quarry
