#include "attention/layer.h"

#include <algorithm>

namespace quarry {

PairCounts AttendLayer(const AttentionMethod& method, MethodState& state, const LayerCall& c,
                       KvStore& kv, LayerWork& work, ExecContext& ctx, Follower follower) {
  AppendRows(kv, c.layer, *c.shape, c.kv_dtype, *c.rope,
             {.first = c.begin,
              .n = c.n,
              .keys = c.k,
              .values = c.v,
              .stride = c.kv_stride,
              .cos = c.cos,
              .sin = c.sin},
             ctx);

  const PlanInput whole = {.layer = c.layer,
                           .phase = c.phase,
                           .call_begin = c.begin,
                           .call_end = c.begin + c.n,
                           .first = c.begin,
                           .n_rows = c.n,
                           .q = c.q,
                           .q_stride = c.q_stride,
                           .shape = c.shape,
                           .kv_dtype = c.kv_dtype,
                           .kv = &kv,
                           .rope = c.rope,
                           .cos = c.cos,
                           .sin = c.sin,
                           .hints = c.hints};
  PairCounts pairs;
  const int64_t rows_at_once = method.needs().exec_rows == 0 ? c.n : method.needs().exec_rows;
  for (int64_t row = 0; row < c.n; row += rows_at_once) {
    const int rows = static_cast<int>(std::min<int64_t>(rows_at_once, c.n - row));
    PlanInput in = whole;
    in.first = c.begin + row;
    in.n_rows = rows;
    work.plan.Clear();
    method.Plan(in, state, ctx, work.plan);
    if (const int64_t window = c.shape->window(c.layer); window > 0) {
      work.plan.LimitToWindow(in.first, window);
    }
    const AttendInput attend = {
        .layer = c.layer,
        .shape = c.shape,
        .kv_dtype = c.kv_dtype,
        .kv = &kv,
        .rope = c.rope,
        .first = in.first,
        .n_rows = rows,
        .q = in.q_row(0),
        .q_stride = c.q_stride,
        .cos = c.cos + row * c.rope->pairs(),
        .sin = c.sin + row * c.rope->pairs(),
        .out = c.out + row * c.out_stride,
        .out_stride = c.out_stride,
        .log_sums = c.coverage == nullptr ? nullptr : work.coverage.LogSums(rows, c.shape->heads)};
    work.executor.Execute(work.plan, attend, ctx);
    if (c.coverage != nullptr) work.coverage.Measure(method, in, attend, ctx, *c.coverage);
    method.Observe(in, work.plan, work.executor.scores(), state, ctx);
    pairs.attended += work.plan.AttendedPairs(in.first);
    // Row at position p sees p + 1 tokens.
    pairs.causal += c.shape->heads * (rows * in.first + rows * (rows + int64_t{1}) / 2);
  }
  if (follower.method != nullptr) follower.method->Follow(whole, *follower.state, ctx);
  return pairs;
}

}  // namespace quarry
