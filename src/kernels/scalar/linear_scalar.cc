#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels::scalar {
namespace {

template <typename WeightAt>
void Gemv(const GemvArgs& a, WeightAt weight) {
  for (int r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.x_stride;
    for (int64_t p = 0; p < a.n_panels; ++p) {
      float sum[kWeightPanel] = {};
      for (int64_t k = 0; k < a.k; ++k) {
        for (int c = 0; c < kWeightPanel; ++c) sum[c] += x[k] * weight(p, k, c);
      }
      float* y = a.y + r * a.y_stride + p * kWeightPanel;
      for (int c = 0; c < kWeightPanel; ++c) y[c] = sum[c];
    }
  }
}

}  // namespace

void GemvF32(const GemvArgs& a) {
  const auto* w = static_cast<const float*>(a.w);
  Gemv(a, [&](int64_t p, int64_t k, int c) { return w[(p * a.k + k) * kWeightPanel + c]; });
}

void GemvF16(const GemvArgs& a) {
  const auto* w = static_cast<const Float16*>(a.w);
  Gemv(a,
       [&](int64_t p, int64_t k, int c) { return ToFloat(w[(p * a.k + k) * kWeightPanel + c]); });
}

void GemvBf16(const GemvArgs& a) {
  const auto* w = static_cast<const BFloat16*>(a.w);
  Gemv(a, [&](int64_t p, int64_t k, int c) {
    return ToFloat(w[(p * a.k + k / 2 * 2) * kWeightPanel + c * 2 + k % 2]);
  });
}

void UnpackF16(const void* panel, int64_t k, float* out, int64_t out_stride) {
  const auto* w = static_cast<const Float16*>(panel);
  for (int64_t i = 0; i < k; ++i) {
    for (int c = 0; c < kWeightPanel; ++c) {
      out[i * out_stride + c] = ToFloat(w[i * kWeightPanel + c]);
    }
  }
}

void UnpackBf16(const void* panel, int64_t k, float* out, int64_t out_stride) {
  const auto* w = static_cast<const BFloat16*>(panel);
  for (int64_t i = 0; i < k; ++i) {
    for (int c = 0; c < kWeightPanel; ++c) {
      out[i * out_stride + c] = ToFloat(w[i / 2 * 2 * kWeightPanel + c * 2 + i % 2]);
    }
  }
}

}  // namespace quarry::kernels::scalar
