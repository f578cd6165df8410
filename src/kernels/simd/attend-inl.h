// Attention over panels with f32 arithmetic: register-tiled products around an online softmax.
//
// Per tile of 64 tokens: 16-bit and int8 panels are widened to f32 once, into scratch; then for
// every six rows scores (6 x 64 in registers), softmax, and values (6 x 64 channels in registers).
// The widening costs one pass over the tile and is shared by all rows, so it matters only for a few
// rows.
#pragma once

#include "kernels/simd/vec-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

// Register tiles: 24 accumulators where there are 32 registers, 12 where there are 16; more than
// kRowTile rows make tiles half as wide.
inline constexpr int kRowTile = 6;
inline constexpr int kPanelVecs = kPanelTokens / kLanes;
inline constexpr int kPanelsAtOnce = kLanes == 16 ? 4 : 1;
inline constexpr int kTileVecs = kTileTokens / kLanes;
inline constexpr float kMinusInf = -__builtin_inff();

// Memory answers after more than a tile's work.
inline constexpr int kTilesAhead = 2;

// One tile, with its panels as the products read them.
struct Tile {
  const KeyPanel* panels;
  int n;  // panels, 1 to kTilePanels
  const void* keys[kTilePanels];
  const void* values[kTilePanels];
  // Panels of the tile kTilesAhead on, for prefetching; where there is none, of this one.
  const KeyPanel* ahead[kTilePanels];
};

HWY_INLINE void WidenF16(const void* panel, int n, float* out) {
  const auto* in = static_cast<const uint16_t*>(panel);
  for (int i = 0; i < n; i += kLanes) hn::Store(LoadF16(in + i), kF32, out + i);
}

HWY_INLINE void WidenInt8Keys(const void* panel, int head_dim, float* out) {
  const auto* in = static_cast<const int8_t*>(panel);
  const BFloat16* scales = KeyScales(panel, head_dim);
  for (int block = 0; block < head_dim; block += kScaleBlock) {
    const int end = block + kScaleBlock < head_dim ? block + kScaleBlock : head_dim;
    for (int v = 0; v < kPanelTokens; v += kLanes) {
      const VecF scale = LoadBf16(scales + block / kScaleBlock * kPanelTokens + v);
      for (int d = block; d < end; ++d) {
        const int at = d * kPanelTokens + v;
        hn::Store(hn::Mul(LoadI8(in + at), scale), kF32, out + at);
      }
    }
  }
}

HWY_INLINE void WidenInt8Values(const void* panel, int stride, float* out) {
  const auto* in = static_cast<const int8_t*>(panel);
  // A stride has as many blocks as the head dimension that it was rounded up from.
  const BFloat16* scales = ValueScales(panel, stride);
  for (int t = 0; t < kPanelTokens; ++t) {
    for (int c = 0; c < stride; c += kLanes) {
      const VecF scale = Splat(ToFloat(scales[c / kScaleBlock * kPanelTokens + t]));
      const int at = t * stride + c;
      hn::Store(hn::Mul(LoadI8(in + at), scale), kF32, out + at);
    }
  }
}

HWY_INLINE void WidenKeys(DType type, const void* panel, int head_dim, float* out) {
  if (type == DType::kF16) return WidenF16(panel, kPanelTokens * head_dim, out);
  if (type == DType::kI8) return WidenInt8Keys(panel, head_dim, out);
  const auto* in = static_cast<const BFloat16*>(panel);
  for (int d = 0; d < head_dim; d += 2) {
    for (int v = 0; v < kPanelVecs; ++v) {
      VecF a, b;
      LoadBf16Pairs(in + d * kPanelTokens + v * 2 * kLanes, a, b);
      hn::Store(a, kF32, out + d * kPanelTokens + v * kLanes);
      hn::Store(b, kF32, out + (d + 1) * kPanelTokens + v * kLanes);
    }
  }
}

HWY_INLINE void WidenValues(DType type, const void* panel, int stride, float* out) {
  if (type == DType::kI8) return WidenInt8Values(panel, stride, out);
  if (type == DType::kF16) return WidenF16(panel, kPanelTokens * stride, out);
  const auto* in = static_cast<const BFloat16*>(panel);
  for (int t = 0; t < kPanelTokens; t += 2) {
    for (int c = 0; c < stride; c += kLanes) {
      VecF a, b;
      LoadBf16Pairs(in + t * stride + 2 * c, a, b);
      hn::Store(a, kF32, out + t * stride + c);
      hn::Store(b, kF32, out + (t + 1) * stride + c);
    }
  }
}

// Queries times the scale: for every R rows that a register tile takes at once
// [head_dim / 4][R][4], so that one pointer reaches them all.
class PackedQueries {
 public:
  static constexpr int kBlock = 4;  // divides head_dim

  static int64_t ScratchFloats(int rows, int head_dim) {
    return (static_cast<int64_t>(rows) * head_dim + 15) / 16 * 16;  // what follows stays aligned
  }

  HWY_INLINE PackedQueries(const AttendArgs& a, int max_rows, float* out)
      : head_dim_(a.head_dim), packed_(out) {
    for (int row = 0; row < a.rows; row += max_rows) {
      const int n = a.rows - row < max_rows ? a.rows - row : max_rows;
      const float* q = a.q + static_cast<int64_t>(row) * head_dim_;
      for (int d = 0; d < head_dim_; d += kBlock) {
        for (int r = 0; r < n; ++r, out += kBlock) {
          for (int i = 0; i < kBlock; ++i) out[i] = q[r * head_dim_ + d + i] * a.scale;
        }
      }
    }
  }

  // Of the tile whose first row is `row`.
  HWY_INLINE const float* Row(int row) const {
    return packed_ + static_cast<int64_t>(row) * head_dim_;
  }

 private:
  int head_dim_;
  const float* packed_;
};

// Panels as f32: keys [head_dim][16], values [16][value_stride].
struct F32Products {
  static constexpr int kMaxRows = kRowTile;  // of a register tile

  static int64_t ScratchFloats(int rows, int head_dim) {
    return kTileTokens * (head_dim + ValueStride(head_dim)) +
           PackedQueries::ScratchFloats(rows, head_dim);
  }

  // The queries as Scores reads them, and where the tiles may be prepared.
  explicit F32Products(const AttendArgs& a)
      : dtype_(a.dtype),
        head_dim_(a.head_dim),
        with_values_(a.o != nullptr),
        q_(a, kMaxRows, a.scratch),
        scratch_(a.scratch + PackedQueries::ScratchFloats(a.rows, a.head_dim)) {}

  HWY_INLINE void Prepare(Tile& tile) const {
    const int stride = ValueStride(head_dim_);
    float* scratch = scratch_;
    for (int p = 0; p < tile.n; ++p) {
      tile.keys[p] = tile.panels[p].keys;
      tile.values[p] = tile.panels[p].values;
      if (dtype_ == DType::kF32) continue;
      WidenKeys(dtype_, tile.panels[p].keys, head_dim_, scratch);
      tile.keys[p] = scratch;
      scratch += kPanelTokens * head_dim_;
      if (!with_values_) continue;
      WidenValues(dtype_, tile.panels[p].values, stride, scratch);
      tile.values[p] = scratch;
      scratch += kPanelTokens * stride;
    }
  }

  // scores[r][.] of rows [row, row + R) against panels [first, first + P), scaled.
  template <int R, int P>
  HWY_INLINE void Scores(int row, const Tile& tile, int first, float* scores) const {
    constexpr int kVecs = P * kPanelVecs;
    const void* const* keys = tile.keys + first;
    const float* q = q_.Row(row);
    VecF sum[R][kVecs];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::Zero(kF32);
    }
    for (int block = 0; block < head_dim_; block += PackedQueries::kBlock) {
      for (int i = 0; i < PackedQueries::kBlock; ++i) {
        VecF k[kVecs];
        for (int v = 0; v < kVecs; ++v) {
          k[v] = LoadF(static_cast<const float*>(keys[v / kPanelVecs]) +
                       (block + i) * kPanelTokens + v % kPanelVecs * kLanes);
        }
        for (int r = 0; r < R; ++r) {
          const VecF qv = Splat(q[r * PackedQueries::kBlock + i]);
          for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::MulAdd(qv, k[v], sum[r][v]);
        }
      }
      q += R * PackedQueries::kBlock;
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kVecs; ++v) StoreF(sum[r][v], scores + r * kTileTokens + v * kLanes);
    }
  }

  // The weights of R rows as AddValues reads them.
  template <int R>
  struct Weights {
    HWY_INLINE Weights(const F32Products&, const Tile&, const float* weights) : f32(weights) {}
    const float* f32;
  };

  // o[r][.] = o[r][.] * rescale[r] + sum over tokens of weights[r][t] * values[t][.], for V vectors
  // of channels from `column` on.
  template <int R, int V>
  HWY_INLINE void AddValues(const Tile& tile, const Weights<R>& weights, const float* rescale,
                            int column, float* o) const {
    const int stride = ValueStride(head_dim_);
    // A tile's sum by itself: added one by one to what thousands of keys left in o, its terms would
    // lose more bits.
    VecF sum[R][V];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) sum[r][v] = hn::Zero(kF32);
    }
    for (int p = 0; p < tile.n; ++p) {
      const float* values = static_cast<const float*>(tile.values[p]) + column;
      const float* w = weights.f32 + p * kPanelTokens;
      for (int t = 0; t < kPanelTokens; ++t) {
        VecF x[V];
        for (int v = 0; v < V; ++v) x[v] = LoadF(values + t * stride + v * kLanes);
        for (int r = 0; r < R; ++r) {
          const VecF wv = Splat(w[r * kTileTokens + t]);
          for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(wv, x[v], sum[r][v]);
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      const VecF factor = Splat(rescale[r]);
      for (int v = 0; v < V; ++v) {
        float* to = o + r * stride + column + v * kLanes;
        StoreF(hn::MulAdd(LoadF(to), factor, sum[r][v]), to);
      }
    }
  }

 private:
  DType dtype_;
  int head_dim_;
  bool with_values_;
  PackedQueries q_;
  float* scratch_;
};

// Whether all of R rows see every lane of the tile (1), none sees any (-1), or neither (0).
template <int R>
HWY_INLINE int Visibility(const Tile& tile, const int32_t* lo, const int32_t* hi) {
  int32_t max_lo = lo[0], min_lo = lo[0], max_hi = hi[0], min_hi = hi[0];
  for (int r = 1; r < R; ++r) {
    max_lo = lo[r] > max_lo ? lo[r] : max_lo;
    min_lo = lo[r] < min_lo ? lo[r] : min_lo;
    max_hi = hi[r] > max_hi ? hi[r] : max_hi;
    min_hi = hi[r] < min_hi ? hi[r] : min_hi;
  }
  bool all = tile.n == kTilePanels;
  bool none = true;
  for (int p = 0; p < tile.n; ++p) {
    const KeyPanel& panel = tile.panels[p];
    const bool whole = panel.lanes == 0xffffu;
    if (panel.first < 0) {
      all = all && whole;
      none = none && panel.lanes == 0;
    } else {
      all = all && whole && panel.first >= max_lo && panel.first + kPanelTokens <= min_hi;
      none = none &&
             (panel.lanes == 0 || panel.first >= max_hi || panel.first + kPanelTokens <= min_lo);
    }
  }
  return all ? 1 : none ? -1 : 0;
}

// Sets to -inf the scores of tokens that row does not see.
HWY_INLINE void MaskRow(const Tile& tile, int32_t lo, int32_t hi, float* scores) {
  for (int p = tile.n * kPanelTokens; p < kTileTokens; p += kLanes) {
    StoreF(Splat(kMinusInf), scores + p);
  }
  for (int p = 0; p < tile.n; ++p) {
    const KeyPanel& panel = tile.panels[p];
    const bool inside = panel.first < 0 || (panel.first >= lo && panel.first + kPanelTokens <= hi);
    if (inside && panel.lanes == 0xffffu) continue;
    for (int v = 0; v < kPanelVecs; ++v) {
      float* s = scores + p * kPanelTokens + v * kLanes;
      const VecI lane = hn::Iota(kI32, v * kLanes);
      const VecI bit = hn::Shl(hn::Set(kI32, 1), lane);
      auto seen =
          hn::Ne(hn::And(hn::Set(kI32, static_cast<int32_t>(panel.lanes)), bit), hn::Zero(kI32));
      if (!inside) {
        const VecI t = hn::Add(hn::Set(kI32, panel.first), lane);
        const auto near = hn::AndNot(hn::Lt(t, hn::Set(kI32, lo)), hn::Lt(t, hn::Set(kI32, hi)));
        seen = hn::And(seen, near);
      }
      StoreF(hn::IfThenElse(hn::RebindMask(kF32, seen), LoadF(s), Splat(kMinusInf)), s);
    }
  }
}

// Scores of one row become weights exp(s - m); updates m and the sums of weights by lanes; returns
// the factor for o.
HWY_INLINE float SoftmaxRow(float* scores, float& m, float* sums) {
  VecF s[kTileVecs];
  for (int v = 0; v < kTileVecs; ++v) s[v] = LoadF(scores + v * kLanes);
  VecF top = s[0];
  for (int v = 1; v < kTileVecs; ++v) top = hn::Max(top, s[v]);
  const float old = m;
  VecF base = Splat(old);
  VecF sum = LoadF(sums);
  float rescale = 1.0f;
  if (HWY_UNLIKELY(!hn::AllTrue(kF32, hn::Le(top, base)))) {
    m = Largest(top);
    base = Splat(m);
    const VecF factor = Exp(hn::Sub(Splat(old), base));
    sum = hn::Mul(sum, factor);
    rescale = hn::GetLane(factor);
  } else if (old == kMinusInf) {
    for (int v = 0; v < kTileVecs; ++v) StoreF(hn::Zero(kF32), scores + v * kLanes);
    return 1.0f;
  }
  for (int v = 0; v < kTileVecs; ++v) {
    const VecF w = Exp(hn::Sub(s[v], base));
    StoreF(w, scores + v * kLanes);
    sum = hn::Add(sum, w);
  }
  StoreF(sum, sums);
  return rescale;
}

// Leaves the panels of the tile from the first to the last of which one of R rows sees something.
template <int R>
HWY_INLINE void Narrow(const int32_t* lo, const int32_t* hi, Tile& tile) {
  int32_t min_lo = lo[0], max_hi = hi[0];
  for (int r = 1; r < R; ++r) {
    min_lo = lo[r] < min_lo ? lo[r] : min_lo;
    max_hi = hi[r] > max_hi ? hi[r] : max_hi;
  }
  const auto unseen = [&](const KeyPanel& p) {
    return p.lanes == 0 ||
           (p.first >= 0 && (p.first >= max_hi || p.first + kPanelTokens <= min_lo));
  };
  while (tile.n > 1 && unseen(tile.panels[tile.n - 1])) --tile.n;
  int skip = 0;
  while (skip + 1 < tile.n && unseen(tile.panels[skip])) ++skip;
  tile.n -= skip;
  tile.panels += skip;
  for (int p = 0; p < tile.n && skip > 0; ++p) {
    tile.keys[p] = tile.keys[p + skip];
    tile.values[p] = tile.values[p + skip];
    tile.ahead[p] = tile.ahead[p + skip];
  }
}

template <int R, class Products>
HWY_INLINE void AttendRows(const AttendArgs& a, const Products& products, const Tile& whole_tile,
                           int tile_index, int row, float* sums) {
  const int stride = ValueStride(a.head_dim);
  const int64_t slot = static_cast<int64_t>(tile_index) * a.rows + row;
  HWY_ALIGN float local[R * kTileTokens];
  float* scores = a.weights == nullptr ? local : a.weights + slot * kTileTokens;
  const int visible = Visibility<R>(whole_tile, a.lo + row, a.hi + row);
  if (visible < 0) {
    if (a.weights != nullptr) {
      for (int i = 0; i < R * kTileTokens; i += kLanes) StoreF(hn::Zero(kF32), scores + i);
      for (int r = 0; r < R; ++r) a.tile_max[slot + r] = a.m[row + r];
    }
    return;
  }
  Tile tile = whole_tile;
  if (visible == 0 && a.weights == nullptr) Narrow<R>(a.lo + row, a.hi + row, tile);

  if (tile.n == kTilePanels) {
    constexpr int kPanels = R > kRowTile ? kPanelsAtOnce / 2 : kPanelsAtOnce;
    for (int p = 0; p < kTilePanels; p += kPanels) {
      products.template Scores<R, kPanels>(row, tile, p, scores + p * kPanelTokens);
    }
  } else {
    constexpr int kPanels = kPanelsAtOnce > 1 ? 2 : 1;
    int p = 0;
    for (; p + kPanels <= tile.n; p += kPanels) {
      products.template Scores<R, kPanels>(row, tile, p, scores + p * kPanelTokens);
    }
    for (; p < tile.n; ++p) {
      products.template Scores<R, 1>(row, tile, p, scores + p * kPanelTokens);
    }
  }
  float rescale[R];
  for (int r = 0; r < R; ++r) {
    if (visible == 0) MaskRow(tile, a.lo[row + r], a.hi[row + r], scores + r * kTileTokens);
    rescale[r] = SoftmaxRow(scores + r * kTileTokens, a.m[row + r], sums + (row + r) * kLanes);
    if (a.weights != nullptr) a.tile_max[slot + r] = a.m[row + r];
  }

  if (a.o == nullptr) return;
  float* o = a.o + static_cast<int64_t>(row) * stride;
  const typename Products::template Weights<R> weights(products, tile, scores);
  int column = 0;
  if constexpr (kLanes == 16) {
    if constexpr (R <= kRowTile) {
      for (; column + 64 <= stride; column += 64) {
        products.template AddValues<R, 4>(tile, weights, rescale, column, o);
      }
    }
    for (; column + 32 <= stride; column += 32) {
      products.template AddValues<R, 2>(tile, weights, rescale, column, o);
    }
  }
  for (; column < stride; column += 16) {
    products.template AddValues<R, 16 / kLanes>(tile, weights, rescale, column, o);
  }
}

// The rows from `row` on, R at most.
template <int R, class Products>
HWY_INLINE void AttendRest(const AttendArgs& a, const Products& products, const Tile& tile,
                           int tile_index, int row, float* sums) {
  if constexpr (R > 0) {
    if (a.rows - row == R) return AttendRows<R>(a, products, tile, tile_index, row, sums);
    AttendRest<R - 1>(a, products, tile, tile_index, row, sums);
  }
}

template <class Products>
HWY_INLINE void AttendWith(const AttendArgs& a) {
  const Products products(a);
  float* sums = a.scratch + Products::ScratchFloats(a.rows, a.head_dim);  // of weights, by lanes
  for (int r = 0; r < a.rows; ++r) {
    StoreF(hn::Zero(kF32), sums + r * kLanes);
    sums[r * kLanes] = a.d[r];
  }
  for (int begin = 0, index = 0; begin < a.n_panels; begin += kTilePanels, ++index) {
    Tile tile;
    tile.panels = a.panels + begin;
    tile.n = a.n_panels - begin < kTilePanels ? a.n_panels - begin : kTilePanels;
    for (int p = 0; p < tile.n; ++p) {
      const int ahead = begin + kTilesAhead * kTilePanels + p;
      tile.ahead[p] = a.panels + (ahead < a.n_panels ? ahead : begin + p);
    }
    products.Prepare(tile);
    int row = 0;
    for (; row + Products::kMaxRows <= a.rows; row += Products::kMaxRows) {
      AttendRows<Products::kMaxRows>(a, products, tile, index, row, sums);
    }
    AttendRest<Products::kMaxRows - 1>(a, products, tile, index, row, sums);
  }
  for (int r = 0; r < a.rows; ++r) a.d[r] = Sum(LoadF(sums + r * kLanes));
}

inline int64_t AttendScratchFloats(int rows, int head_dim) {
  return F32Products::ScratchFloats(rows, head_dim) + static_cast<int64_t>(rows) * kLanes;
}

inline void ColumnSums(const float* weights, const float* row_scale, int rows, float* out) {
  VecF sum[kTileVecs];
  for (int v = 0; v < kTileVecs; ++v) sum[v] = LoadF(out + v * kLanes);
  for (int r = 0; r < rows; ++r) {
    const VecF scale = Splat(row_scale[r]);
    for (int v = 0; v < kTileVecs; ++v) {
      sum[v] = hn::MulAdd(LoadF(weights + r * kTileTokens + v * kLanes), scale, sum[v]);
    }
  }
  for (int v = 0; v < kTileVecs; ++v) StoreF(sum[v], out + v * kLanes);
}

inline void DiagonalSums(const float* weights, const float* row_scale, int rows, float* out) {
  for (int r = 0; r < rows; ++r) {
    const VecF scale = Splat(row_scale[r]);
    float* to = out + rows - 1 - r;
    for (int v = 0; v < kTileVecs; ++v) {
      const VecF w = LoadF(weights + r * kTileTokens + v * kLanes);
      StoreF(hn::MulAdd(w, scale, LoadF(to + v * kLanes)), to + v * kLanes);
    }
  }
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
