#include "attention/methods/question.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

// When the question vector is formed, and of which tokens.
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
