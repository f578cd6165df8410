#include "attention/methods/question.h"

#include <algorithm>

#include "attention/select_top.h"

namespace quarry {

QuestionVector::QuestionVector(QuestionMode mode, int64_t n_local, int64_t repr_topk,
                               const ModelShape& shape)
    : mode_(mode),
      n_local_(n_local),
      repr_topk_(repr_topk),
      heads_(shape.heads),
      head_dim_(shape.head_dim) {}

size_t QuestionVector::size_bytes() const {
  return (scores_.capacity() + queries_.capacity() + vector_.capacity()) * sizeof(float);
}

void QuestionVector::Observe(const Step& step, ExecContext& ctx) {
  const TokenRange question = step.input->hints.question;
  if (closed_ || question.empty()) return;
  Remember(step);
  const TokenPos end = step.input->first + step.input->n_rows;
  if (end <= n_local_) return;
  if (mode_ == QuestionMode::kStrict) {
    if (end < question.end) return;
    Form(step, question.begin, question.size(), question.begin, ctx);
    closed_ = true;
    queries_ = {};
    return;
  }
  // Rows [begin, end) of this call, ranked by the scores of tokens [begin, end).
  const TokenPos first = step.input->call_begin + question.begin;
  const TokenPos last = std::min(step.input->call_begin + question.end, step.input->call_end);
  if (last > first) Form(step, first, last - first, question.begin, ctx);
  closed_ = true;
}

void QuestionVector::Remember(const Step& step) {
  const PlanInput& in = *step.input;
  const TokenRange question = in.hints.question;
  const auto n = static_cast<size_t>(question.size());
  scores_.resize(static_cast<size_t>(heads_) * n);
  for (int h = 0; h < heads_; ++h) {
    const std::span<const float> local = step.local[static_cast<size_t>(h)];
    const TokenPos local_end = step.first_token + static_cast<TokenPos>(local.size());
    const TokenPos begin = std::max(question.begin, step.first_token);
    for (TokenPos t = begin; t < std::min(question.end, local_end); ++t) {
      scores_[static_cast<size_t>(h) * n + static_cast<size_t>(t - question.begin)] +=
          local[static_cast<size_t>(t - step.first_token)];
    }
  }
  if (mode_ == QuestionMode::kReference) return;
  const int64_t width = static_cast<int64_t>(heads_) * head_dim_;
  queries_.resize(n * static_cast<size_t>(width));
  for (int row = 0; row < in.n_rows; ++row) {
    const TokenPos t = in.first + row;
    if (t < question.begin || t >= question.end) continue;
    std::copy_n(in.q_row(row), width, queries_.begin() + (t - question.begin) * width);
  }
}

void QuestionVector::Form(const Step& step, TokenPos first_query, int64_t rows,
                          TokenPos first_score, ExecContext& ctx) {
  const PlanInput& in = *step.input;
  const auto n = static_cast<size_t>(in.hints.question.size());
  const int64_t width = static_cast<int64_t>(heads_) * head_dim_;
  vector_.assign(static_cast<size_t>(width), 0.0f);
  trace_ = {};
  for (int64_t r = 0; r < rows; ++r) trace_.score_tokens.push_back(first_score + r);

  std::vector<float> cos(static_cast<size_t>(in.rope->pairs())), sin(cos.size());
  in.rope->Angles(n_local_ - 1, 1, cos.data(), sin.data());
  std::vector<int32_t> chosen;
  for (int h = 0; h < heads_; ++h) {
    const std::span<const float> scores = {scores_.data() + static_cast<size_t>(h) * n,
                                           static_cast<size_t>(rows)};
    trace_.scores.insert(trace_.scores.end(), scores.begin(), scores.end());
    float* out = vector_.data() + h * head_dim_;
    TopIndices(scores, repr_topk_, chosen);
    for (int64_t r : chosen) {
      const TokenPos t = first_query + r;
      trace_.query_tokens.push_back(t);
      const float* q = mode_ == QuestionMode::kStrict ? queries_.data() + r * width
                                                      : in.q + (t - in.call_begin) * in.q_stride;
      for (int i = 0; i < head_dim_; ++i) out[i] += q[h * head_dim_ + i];
    }
    for (int i = 0; i < head_dim_; ++i) out[i] /= static_cast<float>(chosen.size());
    // Rotation is linear: the mean of rotated queries is the rotated mean.
    in.rope->RotateForRawKeys(ctx.kernels(), out, cos.data(), sin.data(), out);
  }
}

}  // namespace quarry
