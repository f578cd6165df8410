#include "attention/methods/far_past.h"

#include <algorithm>

#include <fmt/format.h>

namespace quarry {

std::vector<std::string> CheckModelWindow(std::string_view name, int64_t tokens,
                                          const ModelShape& shape) {
  const int64_t window = shape.smallest_window();
  if (window == 0 || tokens <= window) return {};
  return {fmt::format("{} is {}, must be at most the model's sliding window of {} tokens", name,
                      tokens, window)};
}

std::span<const float> MeanFarQuery(const PlanInput& in, int64_t n_local, ExecContext& ctx) {
  const int dim = in.shape->head_dim;
  const int width = in.shape->heads * dim;
  const std::span<float> mean = ctx.scratch().Take<float>(static_cast<size_t>(width));
  std::fill(mean.begin(), mean.end(), 0.0f);
  for (int r = 0; r < in.n_rows; ++r) ctx.kernels().add(in.q_row(r), width, mean.data());
  for (float& x : mean) x /= static_cast<float>(in.n_rows);
  const auto half = static_cast<size_t>(in.rope->pairs());
  float* cos = ctx.scratch().Take<float>(half).data();
  float* sin = ctx.scratch().Take<float>(half).data();
  in.rope->Angles(n_local - 1, 1, cos, sin);
  for (int h = 0; h < in.shape->heads; ++h) {
    float* q = mean.data() + h * dim;
    in.rope->RotateForRawKeys(ctx.kernels(), q, cos, sin, q);
  }
  return mean;
}

}  // namespace quarry
