// Attention of a few rows over f16 and int8 panels: decoding. Numbers are converted where they are
// multiplied; storing them first, for many rows to share, would cost more than it saves. The sums
// are those of F32Products, term by term.
#pragma once

#include "kernels/simd/attend-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

template <DType kType>
class DirectProducts {
 public:
  explicit DirectProducts(const AttendArgs& a) : head_dim_(a.head_dim), q_(a.q) {}

  HWY_INLINE void Prepare(Tile& tile) const {
    for (int p = 0; p < tile.n; ++p) {
      tile.keys[p] = tile.panels[p].keys;
      tile.values[p] = tile.panels[p].values;
    }
  }

  template <int R, int P>
  HWY_INLINE void Scores(int row, const void* const* keys, VecF scale, float* scores) const {
    constexpr int kVecs = P * kPanelVecs;
    const float* q = q_ + static_cast<int64_t>(row) * head_dim_;
    VecF sum[R][kVecs];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::Zero(kF32);
    }
    for (int block = 0; block < head_dim_; block += kScaleBlock) {
      VecF key_scale[kVecs];
      for (int v = 0; v < kVecs; ++v) {
        key_scale[v] = KeyScale(keys[v / kPanelVecs], block, v % kPanelVecs * kLanes);
      }
      const int end = block + kScaleBlock < head_dim_ ? block + kScaleBlock : head_dim_;
      for (int d = block; d < end; ++d) {
        VecF k[kVecs];
        for (int v = 0; v < kVecs; ++v) {
          const int at = d * kPanelTokens + v % kPanelVecs * kLanes;
          k[v] = Converted(keys[v / kPanelVecs], at, key_scale[v]);
        }
        for (int r = 0; r < R; ++r) {
          const VecF qv = Splat(q[r * head_dim_ + d]);
          for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::MulAdd(qv, k[v], sum[r][v]);
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kVecs; ++v) {
        StoreF(hn::Mul(sum[r][v], scale), scores + r * kTileTokens + v * kLanes);
      }
    }
  }

  template <int R>
  struct Weights {
    HWY_INLINE explicit Weights(const float* weights) : f32(weights) {}
    const float* f32;
  };

  template <int R, int V>
  HWY_INLINE void AddValues(const Tile& tile, const Weights<R>& weights, const float* rescale,
                            int column, float* o) const {
    const int stride = ValueStride(head_dim_);
    VecF sum[R][V];
    for (int r = 0; r < R; ++r) {
      const VecF factor = Splat(rescale[r]);
      for (int v = 0; v < V; ++v) {
        sum[r][v] = hn::Mul(LoadF(o + r * stride + column + v * kLanes), factor);
      }
    }
    for (int p = 0; p < tile.n; ++p) {
      const float* w = weights.f32 + p * kPanelTokens;
      for (int t = 0; t < kPanelTokens; ++t) {
        VecF x[V];
        for (int v = 0; v < V; ++v) {
          const int c = column + v * kLanes;
          x[v] = Converted(tile.values[p], t * stride + c, ValueScale(tile.values[p], t, c));
        }
        for (int r = 0; r < R; ++r) {
          const VecF wv = Splat(w[r * kTileTokens + t]);
          for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(wv, x[v], sum[r][v]);
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) StoreF(sum[r][v], o + r * stride + column + v * kLanes);
    }
  }

 private:
  static HWY_INLINE VecF Converted(const void* panel, int at, VecF scale) {
    if constexpr (kType == DType::kI8) {
      return hn::Mul(LoadI8(static_cast<const int8_t*>(panel) + at), scale);
    } else {
      return LoadF16(static_cast<const uint16_t*>(panel) + at);
    }
  }
  // Of lanes [lane, lane + kLanes) in the block of channels that begins at `block`.
  HWY_INLINE VecF KeyScale(const void* panel, int block, int lane) const {
    if constexpr (kType != DType::kI8) return hn::Zero(kF32);
    return LoadBf16(KeyScales(panel, head_dim_) + block / kScaleBlock * kPanelTokens + lane);
  }
  HWY_INLINE VecF ValueScale(const void* panel, int t, int column) const {
    if constexpr (kType != DType::kI8) return hn::Zero(kF32);
    const int at = t * ScaleBlocks(head_dim_) + column / kScaleBlock;
    return Splat(ToFloat(ValueScales(panel, head_dim_)[at]));
  }

  int head_dim_;
  const float* q_;
};

inline void Attend(const AttendArgs& a) {
  if (a.rows <= kRowTile && a.dtype == DType::kI8) return AttendWith<DirectProducts<DType::kI8>>(a);
  if (a.rows <= kRowTile && a.dtype == DType::kF16) {
    return AttendWith<DirectProducts<DType::kF16>>(a);
  }
  AttendWith<F32Products>(a);
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
