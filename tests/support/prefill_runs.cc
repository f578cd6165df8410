#include "tests/support/prefill_runs.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace quarry {

PrefilledLayer::PrefilledLayer(const AttentionConfig& config, const ModelShape& shape, DType dtype,
                               int tokens, std::vector<float> q, const std::vector<float>& k,
                               const std::vector<float>& v, const kernels::KernelTable* kernels,
                               int threads)
    : shape_(shape),
      dtype_(dtype),
      tokens_(tokens),
      q_(std::move(q)),
      cos_(static_cast<size_t>(int64_t{tokens} * shape.head_dim / 2), 1.0f),
      sin_(cos_.size(), 0.0f),
      rope_(PlainFrequencies(shape.head_dim, 10000, 0), 1.0, shape.head_dim),
      layer_(config, shape, dtype, 10000, 0, kernels, threads) {
  out_ = layer_.Call(q_.data(), k.data(), v.data(), tokens);
}

PlanInput PrefilledLayer::Input(TokenPos first, int rows) const {
  PlanInput in;
  in.call_end = tokens_;
  in.first = first;
  in.n_rows = rows < 0 ? tokens_ : rows;
  in.q = q_.data();
  in.q_stride = int64_t{shape_.heads} * shape_.head_dim;
  in.shape = &shape_;
  in.kv_dtype = dtype_;
  in.kv = &const_cast<PrefilledLayer*>(this)->layer_.kv();
  in.rope = &rope_;
  in.cos = cos_.data();
  in.sin = sin_.data();
  return in;
}

void PrefilledLayer::ForEachPlan(
    const std::function<void(const AttentionPlan&, TokenPos first, int rows)>& f) {
  const AttentionMethod& method = layer_.method();
  const auto state = method.NewState(shape_, dtype_, 0);
  const int64_t at_once = method.needs().exec_rows == 0 ? tokens_ : method.needs().exec_rows;
  AttentionPlan plan;
  for (TokenPos first = 0; first < tokens_; first += at_once) {
    const int rows = static_cast<int>(std::min<int64_t>(at_once, tokens_ - first));
    plan.Clear();
    method.Plan(Input(first, rows), *state, context(), plan);
    f(plan, first, rows);
  }
}

std::vector<int64_t> PrefilledLayer::KeyCounts() {
  std::vector<int64_t> counts(static_cast<size_t>(int64_t{shape_.heads} * tokens_), 0);
  ForEachPlan([&](const AttentionPlan& plan, TokenPos first, int) {
    for (const Segment& s : plan.segments()) {
      int64_t single = static_cast<int64_t>(plan.columns(s).size());
      plan.ForEachListPanel(s, [&](int64_t, uint32_t lanes) { single += std::popcount(lanes); });
      for (int h = s.heads.begin; h < s.heads.end; ++h) {
        for (int row = s.rows.begin; row < s.rows.end; ++row) {
          const TokenPos p = first + row;
          int64_t n = single;
          for (const TokenRange& span : plan.spans(s)) {
            n += std::max<int64_t>(
                0, std::min(span.end, s.mask.hi(p)) - std::max(span.begin, s.mask.lo(p)));
          }
          counts[static_cast<size_t>(h * int64_t{tokens_} + p)] += n;
        }
      }
    }
  });
  return counts;
}

std::vector<TokenPos> VisibleKeys(const AttentionPlan& plan, TokenPos first, int row, int head) {
  std::vector<TokenPos> keys;
  for (const Segment& s : plan.segments()) {
    if (head < s.heads.begin || head >= s.heads.end) continue;
    if (row < s.rows.begin || row >= s.rows.end) continue;
    for (const TokenRange& span : plan.spans(s)) {
      const TokenPos end = std::min(span.end, s.mask.hi(first + row));
      for (TokenPos t = std::max(span.begin, s.mask.lo(first + row)); t < end; ++t) {
        keys.push_back(t);
      }
    }
    for (TokenPos t : plan.columns(s)) keys.push_back(t);
    plan.ForEachListPanel(s, [&](int64_t panel, uint32_t lanes) {
      const auto& list = plan.column_lists()[static_cast<size_t>(plan.column_list(s))];
      for (int64_t i = 0; i < kTokensPerPanel; ++i) {
        if (lanes >> i & 1u) {
          keys.push_back(plan.tokens(list)[static_cast<size_t>(panel * kTokensPerPanel + i)]);
        }
      }
    });
  }
  return keys;
}

std::vector<float> TokenMajor(const std::vector<float>& x, int64_t heads, int64_t tokens,
                              int64_t dim) {
  std::vector<float> y(x.size());
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t t = 0; t < tokens; ++t) {
      std::copy_n(x.begin() + (h * tokens + t) * dim, dim, y.begin() + (t * heads + h) * dim);
    }
  }
  return y;
}

}  // namespace quarry
