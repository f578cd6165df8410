// What one core can do at most: multiply-adds in registers, and reading memory.
#pragma once

#include "kernels/simd/vec-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

inline double PeakF32(int64_t rounds) {
  constexpr int kChains = 12;
  constexpr int kSteps = 16;  // of a chain in a round: what a round costs besides hardly counts
  VecF sum[kChains];
  for (int c = 0; c < kChains; ++c) sum[c] = hn::Zero(kF32);
  const VecF x = Splat(1.0f), y = Splat(1e-9f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int step = 0; step < kSteps; ++step) {
      for (int c = 0; c < kChains; ++c) sum[c] = hn::MulAdd(x, y, sum[c]);
    }
  }
  for (int c = 1; c < kChains; ++c) sum[0] = hn::Add(sum[0], sum[c]);
  float sink = Sum(sum[0]);
  asm volatile("" : "+m"(sink));
  return 2.0 * kSteps * kChains * kLanes * static_cast<double>(rounds);
}

inline uint64_t ReadAll(const void* data, int64_t bytes) {
  const auto* p = static_cast<const uint32_t*>(data);
  constexpr int kStreams = 8;
  VecU folded[kStreams];
  for (VecU& f : folded) f = hn::Zero(kU32);
  const int64_t n = bytes / 4;
  for (int64_t i = 0; i + kStreams * kLanes <= n; i += kStreams * kLanes) {
    for (int s = 0; s < kStreams; ++s) {
      folded[s] = hn::Xor(folded[s], hn::LoadU(kU32, p + i + s * kLanes));
    }
  }
  for (int s = 1; s < kStreams; ++s) folded[0] = hn::Xor(folded[0], folded[s]);
  return hn::GetLane(hn::SumOfLanes(kU32, folded[0]));
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
