// Matrix-vector products over packed 64-column weight panels, and the widening of a panel.
#pragma once

#include "kernels/simd/vec-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

// Columns done at once: four vectors; rows that fit beside them in registers.
inline constexpr int kGemvVecs = 4;
inline constexpr int kGemvColumns = kGemvVecs * kLanes;
inline constexpr int kGemvRowTile = kLanes == 8 ? 2 : 4;

// One chain of sums a vector, so that a row's sums do not depend on how many rows there are.
template <int R, DType kType>
HWY_INLINE void GemvColumns(const GemvArgs& a, const void* panel, int column, const float* x,
                            float* y) {
  VecF sum[R][kGemvVecs];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kGemvVecs; ++v) sum[r][v] = hn::Zero(kF32);
  }
  constexpr int64_t kStepBytes = 2 * kWeightPanel * static_cast<int64_t>(SizeOf(kType));
  const char* step = static_cast<const char*>(panel);
  for (int64_t k = 0; k < a.k; k += 2, step += kStepBytes) {
    AskAhead(step, kStepBytes);
    for (int v = 0; v < kGemvVecs; ++v) {
      VecF w0, w1;
      const int64_t at = k * kWeightPanel;
      if constexpr (kType == DType::kBF16) {
        LoadBf16Pairs(static_cast<const BFloat16*>(panel) + at + 2 * (column + v * kLanes), w0, w1);
      } else if constexpr (kType == DType::kF16) {
        const Float16* w = static_cast<const Float16*>(panel) + at + column + v * kLanes;
        w0 = LoadF16(w);
        w1 = LoadF16(w + kWeightPanel);
      } else {
        const float* w = static_cast<const float*>(panel) + at + column + v * kLanes;
        w0 = LoadF(w);
        w1 = LoadF(w + kWeightPanel);
      }
      for (int r = 0; r < R; ++r) {
        const float* xr = x + r * a.x_stride + k;
        sum[r][v] = hn::MulAdd(Splat(xr[0]), w0, sum[r][v]);
        sum[r][v] = hn::MulAdd(Splat(xr[1]), w1, sum[r][v]);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kGemvVecs; ++v) StoreF(sum[r][v], y + r * a.y_stride + v * kLanes);
  }
}

template <DType kType>
HWY_INLINE void Gemv(const GemvArgs& a) {
  const int64_t panel_bytes = a.k * kWeightPanel * static_cast<int64_t>(SizeOf(kType));
  for (int64_t p = 0; p < a.n_panels; ++p) {
    const char* panel = static_cast<const char*>(a.w) + p * panel_bytes;
    for (int c = 0; c < kWeightPanel; c += kGemvColumns) {
      for (int r = 0; r < a.rows;) {
        const float* x = a.x + r * a.x_stride;
        float* y = a.y + r * a.y_stride + p * kWeightPanel + c;
        const int left = a.rows - r < kGemvRowTile ? a.rows - r : kGemvRowTile;
        switch (left) {
          case 1:
            GemvColumns<1, kType>(a, panel, c, x, y);
            break;
          case 2:
            GemvColumns<2, kType>(a, panel, c, x, y);
            break;
          case 3:
            GemvColumns<3, kType>(a, panel, c, x, y);
            break;
          default:
            GemvColumns<4, kType>(a, panel, c, x, y);
            break;
        }
        r += left;
      }
    }
  }
}

inline void GemvF32(const GemvArgs& a) { Gemv<DType::kF32>(a); }
inline void GemvF16(const GemvArgs& a) { Gemv<DType::kF16>(a); }
inline void GemvBf16(const GemvArgs& a) { Gemv<DType::kBF16>(a); }

inline void UnpackF16(const void* panel, int64_t k, float* out, int64_t out_stride) {
  const auto* in = static_cast<const Float16*>(panel);
  for (int64_t i = 0; i < k; ++i) {
    for (int c = 0; c < kWeightPanel; c += kLanes) {
      StoreF(LoadF16(in + i * kWeightPanel + c), out + i * out_stride + c);
    }
  }
}

inline void UnpackBf16(const void* panel, int64_t k, float* out, int64_t out_stride) {
  const auto* in = static_cast<const BFloat16*>(panel);
  for (int64_t i = 0; i < k; i += 2) {
    for (int c = 0; c < kWeightPanel; c += kLanes) {
      VecF a, b;
      LoadBf16Pairs(in + i * kWeightPanel + 2 * c, a, b);
      StoreF(a, out + i * out_stride + c);
      StoreF(b, out + (i + 1) * out_stride + c);
    }
  }
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
