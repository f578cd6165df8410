#include "attention/coverage.h"

#include <algorithm>
#include <cmath>

namespace quarry {

float* CoverageMeter::LogSums(int rows, int heads) {
  kept_.resize(static_cast<size_t>(rows) * static_cast<size_t>(heads));
  return kept_.data();
}

void CoverageMeter::Measure(const AttentionMethod& method, const PlanInput& in,
                            const AttendInput& attended, ExecContext& ctx, CoverageSums& sums) {
  const int heads = in.shape->heads;
  all_.resize(static_cast<size_t>(heads));
  out_.resize(static_cast<size_t>(heads * in.shape->head_dim));
  for (int row = 0; row < in.n_rows; ++row) {
    const TokenPos position = in.first + row;
    if (in.phase == Phase::kPrefill && (position + 1) % kPromptStride != 0) continue;
    PlanInput one = in;
    one.first = position;
    one.n_rows = 1;
    plan_.Clear();
    if (!method.PlanEverything(one, plan_)) return;
    if (const int64_t window = in.shape->window(in.layer); window > 0) {
      plan_.LimitToWindow(position, window);
    }
    AttendInput input = attended;
    input.first = position;
    input.n_rows = 1;
    input.q += row * attended.q_stride;
    input.cos += row * attended.rope->pairs();
    input.sin += row * attended.rope->pairs();
    input.out = out_.data();
    input.out_stride = static_cast<int64_t>(out_.size());
    input.log_sums = all_.data();
    executor_.Execute(plan_, input, ctx);
    for (int h = 0; h < heads; ++h) {
      const float kept = kept_[static_cast<size_t>(row * heads + h)];
      // inf-llm's reference mask counts some keys twice, hence the cap.
      sums.mass +=
          std::min(1.0, std::exp(static_cast<double>(kept - all_[static_cast<size_t>(h)])));
      ++sums.pairs;
    }
  }
}

}  // namespace quarry
