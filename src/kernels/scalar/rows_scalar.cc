#include <cmath>

#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels::scalar {

void RmsNorm(const float* x, const float* w, int64_t n, float eps, float* out) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const float inverse = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * inverse * w[i];
}

void RotateHalves(const float* x, const float* cos, const float* sin, int64_t half, float* out) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i];
    const float b = x[i + half];
    out[i] = a * cos[i] - b * sin[i];
    out[i + half] = b * cos[i] + a * sin[i];
  }
}

void SiluMul(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void Add(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

void Narrow(DType type, const float* x, int64_t n, void* out) {
  for (int64_t i = 0; i < n; ++i) StoreElement(type, out, static_cast<size_t>(i), x[i]);
}

void Widen(DType type, const void* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = LoadElement(type, x, static_cast<size_t>(i));
}

}  // namespace quarry::kernels::scalar
