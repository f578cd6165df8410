#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels::scalar {

double PeakF32(int64_t rounds) {
  constexpr int kChains = 8;
  float sum[kChains] = {};
  const float x = 1.0f, y = 1e-9f;
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] += x * y;
  }
  float sink = 0;
  for (int c = 0; c < kChains; ++c) sink += sum[c];
  asm volatile("" : "+m"(sink));
  return 2.0 * kChains * static_cast<double>(rounds);
}

uint64_t ReadAll(const void* data, int64_t bytes) {
  const auto* p = static_cast<const uint64_t*>(data);
  uint64_t folded = 0;
  for (int64_t i = 0; i < bytes / 8; ++i) folded ^= p[i];
  return folded;
}

}  // namespace quarry::kernels::scalar
