// The question vector of Q-LLM (Li et al., arXiv:2406.07528): per query head, the mean of the
// rotated queries of those question tokens that received most attention.
//
// It is formed once, after the first execution block that ends beyond the window. `reference` takes
// the rows the authors' code takes, which are the wrong tokens unless the question lies in the
// first call; `strict` takes the question's own tokens, and waits until they have been read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "attention/method.h"

namespace quarry {

// How the vector came about; for tests and traces.
struct QuestionTrace {
  std::vector<TokenPos> score_tokens;  // row -> token whose score ranked it
  std::vector<float> scores;           // [heads][rows]
  std::vector<TokenPos> query_tokens;  // [heads][chosen], ascending: tokens that were averaged
};

class QuestionVector {
 public:
  QuestionVector(QuestionMode mode, int64_t n_local, int64_t repr_topk, const ModelShape& shape);

  // After an execution block has been attended. `local` holds the probability mass that its rows
  // gave to tokens from `first_token` on: one span per query head.
  struct Step {
    const PlanInput* input;
    TokenPos first_token;
    std::span<const std::span<const float>> local;
  };
  void Observe(const Step& step, ExecContext& ctx);

  QuestionMode mode() const { return mode_; }
  // [heads * head_dim]; empty while there is none.
  std::span<const float> vector() const { return vector_; }
  const QuestionTrace& trace() const { return trace_; }
  size_t size_bytes() const;

 private:
  void Remember(const Step& step);
  void Form(const Step& step, TokenPos first_query, int64_t rows, TokenPos first_score,
            ExecContext& ctx);

  QuestionMode mode_;
  int64_t n_local_;
  int64_t repr_topk_;
  int heads_;
  int head_dim_;
  bool closed_ = false;         // formed, or it never will be
  std::vector<float> scores_;   // [heads][question tokens], summed so far
  std::vector<float> queries_;  // strict: [question tokens][heads * head_dim], not rotated
  std::vector<float> vector_;
  QuestionTrace trace_;
};

}  // namespace quarry
