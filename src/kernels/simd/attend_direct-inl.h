// Attention of a few rows: decoding. Numbers are converted where they are multiplied; storing them
// first, for many rows to share, would cost more than it saves. Tiles are fetched ahead.
#pragma once

#include "kernels/simd/attend-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

template <DType kType>
class DirectProducts {
 public:
  // 7 and 8 rows, half a tile at a time, still convert each number once.
  static constexpr int kMaxRows = kLanes == 16 ? 8 : kRowTile;

  static int64_t ScratchFloats(int rows, int head_dim) {
    return PackedQueries::ScratchFloats(rows, head_dim);
  }

  explicit DirectProducts(const AttendArgs& a)
      : head_dim_(a.head_dim), q_(a, kMaxRows, a.scratch) {}

  HWY_INLINE void Prepare(Tile& tile) const {
    for (int p = 0; p < tile.n; ++p) {
      tile.keys[p] = tile.panels[p].keys;
      tile.values[p] = tile.panels[p].values;
    }
  }

  // int8: sums of a block of channels are made without its scale, which then counts once.
  template <int R, int P>
  HWY_INLINE void Scores(int row, const Tile& tile, int first, float* scores) const {
    constexpr int kVecs = P * kPanelVecs;
    constexpr int kStep = PackedQueries::kBlock;  // channels between prefetches
    const void* const* keys = tile.keys + first;
    const float* q = q_.Row(row);
    const int block_size = kType == DType::kI8 ? kScaleBlock : head_dim_;
    for (int block = 0; block < head_dim_; block += block_size) {
      VecF sum[R][kVecs];
      for (int r = 0; r < R; ++r) {
        for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::Zero(kF32);
      }
      const int end = block + block_size < head_dim_ ? block + block_size : head_dim_;
      if constexpr (kType == DType::kI8) {
        for (int p = 0; p < P; ++p) PrefetchScales(*tile.ahead[first + p], block / kScaleBlock);
      }
      for (int step = block; step < end; step += kStep) {
        for (int p = 0; p < P; ++p) {
          Prefetch(*tile.ahead[first + p], 0, step * kPanelTokens, kStep * kPanelTokens);
        }
        for (int i = 0; i < kStep; ++i) {
          const int d = step + i;
          VecF k[kVecs];
          for (int v = 0; v < kVecs; ++v) {
            k[v] =
                Load(keys[v / kPanelVecs], kPanelTokens, d - i % 2, i % 2, v % kPanelVecs * kLanes);
          }
          for (int r = 0; r < R; ++r) {
            const VecF qv = Splat(q[r * kStep + i]);
            for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::MulAdd(qv, k[v], sum[r][v]);
          }
        }
        q += R * kStep;
      }
      for (int v = 0; v < kVecs; ++v) {
        if constexpr (kType == DType::kI8) {
          const BFloat16* scales = KeyScales(keys[v / kPanelVecs], head_dim_);
          const VecF factor =
              LoadBf16(scales + block / kScaleBlock * kPanelTokens + v % kPanelVecs * kLanes);
          for (int r = 0; r < R; ++r) {
            const float* so_far = scores + r * kTileTokens + v * kLanes;
            sum[r][v] = block == 0 ? hn::Mul(sum[r][v], factor)
                                   : hn::MulAdd(sum[r][v], factor, LoadF(so_far));
          }
        }
        for (int r = 0; r < R; ++r) StoreF(sum[r][v], scores + r * kTileTokens + v * kLanes);
      }
    }
  }

  // int8: weights[r][block][.], each times the scale of its token's values in that block of
  // channels.
  template <int R>
  struct Weights {
    static constexpr int kBlocks = kType == DType::kI8 ? kMaxHeadDim / kScaleBlock : 1;

    HWY_INLINE Weights(const DirectProducts& products, const Tile& tile, const float* weights)
        : f32(weights) {
      if constexpr (kType != DType::kI8) return;
      const int dim = products.head_dim_;
      for (int p = 0; p < tile.n; ++p) {
        const BFloat16* scales = ValueScales(tile.values[p], dim);
        for (int b = 0; b < ScaleBlocks(dim); ++b) {
          for (int v = 0; v < kPanelTokens; v += kLanes) {
            const VecF scale = LoadBf16(scales + b * kPanelTokens + v);
            const int at = p * kPanelTokens + v;
            for (int r = 0; r < R; ++r) {
              StoreF(hn::Mul(LoadF(weights + r * kTileTokens + at), scale),
                     scaled + (r * kBlocks + b) * kTileTokens + at);
            }
          }
        }
      }
      f32 = scaled;
    }
    // Of row r for channels from `column` on.
    HWY_INLINE const float* Row(int r, int column) const {
      if constexpr (kType != DType::kI8) return f32 + r * kTileTokens;
      return f32 + (r * kBlocks + column / kScaleBlock) * kTileTokens;
    }

    const float* f32;
    HWY_ALIGN float scaled[kType == DType::kI8 ? R * kBlocks * kTileTokens : 1];
  };

  template <int R, int V>
  HWY_INLINE void AddValues(const Tile& tile, const Weights<R>& weights, const float* rescale,
                            int column, float* o) const {
    // Vectors that lie in one block of channels.
    constexpr int kBlockVecs =
        kType == DType::kI8 && V * kLanes > kScaleBlock ? kScaleBlock / kLanes : V;
    const int stride = ValueStride(head_dim_);
    VecF sum[R][V];
    for (int r = 0; r < R; ++r) {
      const VecF factor = Splat(rescale[r]);
      for (int v = 0; v < V; ++v) {
        sum[r][v] = hn::Mul(LoadF(o + r * stride + column + v * kLanes), factor);
      }
    }
    for (int p = 0; p < tile.n; ++p) {
      for (int pair = 0; pair < kPanelTokens; pair += 2) {
        Prefetch(*tile.ahead[p], 1, column * kPanelTokens + pair * V * kLanes, 2 * V * kLanes);
        for (int odd = 0; odd < 2; ++odd) {
          const int t = pair + odd;
          for (int part = 0; part < V; part += kBlockVecs) {
            VecF x[kBlockVecs];
            for (int v = 0; v < kBlockVecs; ++v) {
              x[v] = Load(tile.values[p], stride, pair, odd, column + (part + v) * kLanes);
            }
            for (int r = 0; r < R; ++r) {
              const float* w = weights.Row(r, column + part * kLanes);
              const VecF wv = Splat(w[p * kPanelTokens + t]);
              for (int v = 0; v < kBlockVecs; ++v) {
                sum[r][part + v] = hn::MulAdd(wv, x[v], sum[r][part + v]);
              }
            }
          }
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) StoreF(sum[r][v], o + r * stride + column + v * kLanes);
    }
  }

 private:
  // kLanes numbers of row even + odd (a channel of keys, a token of values) from `column` on.
  static HWY_INLINE VecF Load(const void* panel, int width, int even, int odd, int column) {
    if constexpr (kType == DType::kBF16) {
      const auto* pairs = static_cast<const uint16_t*>(panel) + even * width + 2 * column;
      const VecU both = hn::LoadU(kU32, reinterpret_cast<const uint32_t*>(pairs));
      return hn::BitCast(
          kF32, odd != 0 ? hn::And(both, hn::Set(kU32, 0xffff0000u)) : hn::ShiftLeft<16>(both));
    } else if constexpr (kType == DType::kF32) {
      return LoadF(static_cast<const float*>(panel) + (even + odd) * width + column);
    } else if constexpr (kType == DType::kI8) {
      return LoadI8(static_cast<const int8_t*>(panel) + (even + odd) * width + column);
    } else {
      return LoadF16(static_cast<const uint16_t*>(panel) + (even + odd) * width + column);
    }
  }
  // Of int8 panels, behind the codes; two blocks a line.
  HWY_INLINE void PrefetchScales(const KeyPanel& panel, int block) const {
    if (block % 2 != 0) return;
    __builtin_prefetch(KeyScales(panel.keys, head_dim_) + block * kPanelTokens, 0, 2);
    __builtin_prefetch(ValueScales(panel.values, head_dim_) + block * kPanelTokens, 0, 2);
  }
  // Elements [at, at + n) of half 0 or 1 of a panel to the second-level cache. A half holds half of
  // the keys and half of the values, side by side: a core fetches more of two places than of one.
  // int8, whose time is the conversion's, has its keys first, with fewer instructions.
  HWY_INLINE void Prefetch(const KeyPanel& panel, int half, int at, int n) const {
    constexpr int kSize = static_cast<int>(SizeOf(kType));
    const auto* keys = static_cast<const char*>(panel.keys);
    const auto* values = static_cast<const char*>(panel.values);
    if constexpr (kType == DType::kI8) {
      const char* begin = (half == 0 ? keys : values) + at;
      for (int i = 0; i < n; i += 64) __builtin_prefetch(begin + i, 0, 2);
    } else {
      keys += (half * kPanelTokens * head_dim_ + at) * kSize / 2;
      values += (half * kPanelTokens * ValueStride(head_dim_) + at) * kSize / 2;
      for (int i = 0; i < n * kSize / 2; i += 64) {
        __builtin_prefetch(keys + i, 0, 2);
        __builtin_prefetch(values + i, 0, 2);
      }
    }
  }

  int head_dim_;
  PackedQueries q_;
};

template <DType kType>
bool AttendDirectly(const AttendArgs& a) {
  using Products = DirectProducts<kType>;
  if (a.dtype != kType || a.rows > Products::kMaxRows) return false;
  AttendWith<Products>(a);
  return true;
}

inline void Attend(const AttendArgs& a) {
  if (AttendDirectly<DType::kI8>(a) || AttendDirectly<DType::kF16>(a) ||
      AttendDirectly<DType::kBF16>(a) || AttendDirectly<DType::kF32>(a)) {
    return;
  }
  AttendWith<F32Products>(a);
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
