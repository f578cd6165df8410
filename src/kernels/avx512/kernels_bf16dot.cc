// The AVX-512 kernels with bf16 dot products: attention over bf16 panels, whose layout VDPBF16PS
// reads as it is, and where the caller allows it over panels of the other types, rounded to bf16.
// Highway 1.0.3 has no such operation, hence intrinsics. Matrix-vector products are those of the
// sets before, compiled without prefetches.

#define QUARRY_SIMD_NAMESPACE avx512bf16
#define QUARRY_WEIGHTS_AHEAD 0  // the best set of AMD's CPUs only
#include <immintrin.h>

#include "kernels/avx512/pairs-inl.h"
#include "kernels/simd/attend-inl.h"
#include "kernels/simd/linear-inl.h"
#include "kernels/simd/quant-inl.h"
#include "kernels/simd/select-inl.h"

namespace quarry::kernels {

const KernelTable& Avx512VnniKernels();

namespace avx512bf16 {

HWY_INLINE __m512bh Pairs(__m512i bits) { return reinterpret_cast<__m512bh>(bits); }
HWY_INLINE __m512i Bits(__m512bh pairs) { return reinterpret_cast<__m512i>(pairs); }
HWY_INLINE __m512bh LoadPairs(const void* p) { return Pairs(_mm512_loadu_si512(p)); }
// One pair in every lane.
HWY_INLINE __m512bh SplatPair(const uint32_t* p) {
  return Pairs(_mm512_set1_epi32(static_cast<int>(*p)));
}

// bf16 of `first` and `second`, side by side in every 32-bit lane.
HWY_INLINE void StorePairs(VecF first, VecF second, void* out) {
  const __m512i both = Bits(_mm512_cvtne2ps_pbh(second.raw, first.raw));
  _mm512_storeu_si512(out, Interleave(both));
}

// A panel of another type as the bf16 panel of the same numbers, rounded.
template <DType kType>
HWY_INLINE void NarrowKeys(const void* panel, int head_dim, uint16_t* out) {
  for (int d = 0; d < head_dim; d += 2) {
    VecF a, b;
    LoadChannels<kType>(panel, head_dim, d, 0, a, b);
    StorePairs(a, b, out + d * kPanelTokens);
  }
}

template <DType kType>
HWY_INLINE VecF LoadValues(const void* panel, int stride, int token, int column) {
  const int at = token * stride + column;
  if constexpr (kType == DType::kI8) {
    const BFloat16 scale = ValueScales(panel, stride)[column / kScaleBlock * kPanelTokens + token];
    return hn::Mul(LoadI8(static_cast<const int8_t*>(panel) + at), Splat(ToFloat(scale)));
  } else {
    return LoadAs<kType>(panel, at);
  }
}

template <DType kType>
HWY_INLINE void NarrowValues(const void* panel, int stride, uint16_t* out) {
  for (int t = 0; t < kPanelTokens; t += 2) {
    for (int c = 0; c < stride; c += kLanes) {
      StorePairs(LoadValues<kType>(panel, stride, t, c), LoadValues<kType>(panel, stride, t + 1, c),
                 out + t * stride + 2 * c);
    }
  }
}

// Products of queries and weights rounded to bf16 with panels of kType, of which those that are not
// bf16 are rounded once a tile; sums are f32. kFew: decoding, whose bf16 panels are fetched ahead.
template <DType kType, bool kFew>
class DotProducts {
 public:
  static constexpr int kMaxRows = kFew ? 8 : kRowTile;
  static_assert(!kFew || kType == DType::kBF16);

  static int64_t ScratchFloats(int rows, int head_dim) {
    const int64_t panels =
        kType == DType::kBF16 ? 0 : kTileTokens * (int64_t{head_dim} + ValueStride(head_dim)) / 2;
    return QueryFloats(rows, head_dim) + panels;
  }

  explicit DotProducts(const AttendArgs& a)
      : head_dim_(a.head_dim),
        with_values_(a.o != nullptr),
        q_(reinterpret_cast<uint32_t*>(a.scratch)),
        panels_(reinterpret_cast<uint16_t*>(a.scratch + QueryFloats(a.rows, a.head_dim))) {
    PackQueries(a);
  }

  HWY_INLINE void Prepare(Tile& tile) const {
    const int stride = ValueStride(head_dim_);
    uint16_t* to = panels_;
    for (int p = 0; p < tile.n; ++p) {
      tile.keys[p] = tile.panels[p].keys;
      tile.values[p] = tile.panels[p].values;
      if constexpr (kType != DType::kBF16) {
        NarrowKeys<kType>(tile.panels[p].keys, head_dim_, to);
        tile.keys[p] = to;
        to += kPanelTokens * head_dim_;
        if (!with_values_) continue;
        NarrowValues<kType>(tile.panels[p].values, stride, to);
        tile.values[p] = to;
        to += kPanelTokens * stride;
      }
    }
  }

  template <int R, int P>
  HWY_INLINE void Scores(int row, const Tile& tile, int first, float* scores) const {
    const void* const* keys = tile.keys + first;
    const uint32_t* q = q_ + static_cast<int64_t>(row) * (head_dim_ / 2);
    __m512 sum[R][P];
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < P; ++p) sum[r][p] = _mm512_setzero_ps();
    }
    for (int d = 0; d < head_dim_; d += 2, q += R) {
      __m512bh k[P];
      for (int p = 0; p < P; ++p) {
        if constexpr (kFew) Prefetch(*tile.ahead[first + p], 0, d * kPanelTokens);
        k[p] = LoadPairs(static_cast<const uint16_t*>(keys[p]) + d * kPanelTokens);
      }
      for (int r = 0; r < R; ++r) {
        const __m512bh pair = SplatPair(q + r);
        for (int p = 0; p < P; ++p) sum[r][p] = _mm512_dpbf16_ps(sum[r][p], k[p], pair);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < P; ++p) {
        _mm512_storeu_ps(scores + r * kTileTokens + p * kPanelTokens, sum[r][p]);
      }
    }
  }

  template <int R>
  struct Weights {
    HWY_INLINE Weights(const DotProducts&, const Tile&, const float* weights) {
      for (int i = 0; i < R * kTileTokens; i += 2 * kLanes) {
        _mm512_store_si512(pairs + i / 2, Bits(_mm512_cvtne2ps_pbh(LoadF(weights + i + kLanes).raw,
                                                                   LoadF(weights + i).raw)));
      }
    }
    alignas(64) uint32_t pairs[R * kTileTokens / 2];
  };

  template <int R, int V>
  HWY_INLINE void AddValues(const Tile& tile, const Weights<R>& weights, const float* rescale,
                            int column, float* o) const {
    const int stride = ValueStride(head_dim_);
    // A tile's sum by itself, for the reason that F32Products give.
    __m512 sum[R][V];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) sum[r][v] = _mm512_setzero_ps();
    }
    for (int p = 0; p < tile.n; ++p) {
      const auto* values = static_cast<const uint16_t*>(tile.values[p]) + 2 * column;
      const uint32_t* w = weights.pairs + p * (kPanelTokens / 2);
      for (int pair = 0; pair < kPanelTokens / 2; ++pair, ++w) {
        __m512bh x[V];
        for (int v = 0; v < V; ++v) {
          const int at = 2 * pair * stride;
          if constexpr (kFew) Prefetch(*tile.ahead[p], 1, at + (column + v * kLanes) * 2);
          x[v] = LoadPairs(values + at + v * 2 * kLanes);
        }
        for (int r = 0; r < R; ++r) {
          const __m512bh both = SplatPair(w + r * (kTileTokens / 2));
          for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x[v], both);
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      const VecF factor = Splat(rescale[r]);
      for (int v = 0; v < V; ++v) {
        float* to = o + r * stride + column + v * kLanes;
        StoreF(hn::MulAdd(LoadF(to), factor, VecF{sum[r][v]}), to);
      }
    }
  }

 private:
  static int64_t QueryFloats(int rows, int head_dim) {
    return (int64_t{rows} * head_dim / 2 + 15) / 16 * 16;  // what follows stays aligned
  }

  // Times the scale; for every R rows that a register tile takes at once [head_dim / 2][R] pairs.
  void PackQueries(const AttendArgs& a) {
    const VecF scale = Splat(a.scale);
    uint32_t* out = q_;
    for (int row = 0; row < a.rows; row += kMaxRows) {
      const int n = a.rows - row < kMaxRows ? a.rows - row : kMaxRows;
      for (int r = 0; r < n; ++r) {
        const float* q = a.q + static_cast<int64_t>(row + r) * head_dim_;
        for (int d = 0; d < head_dim_; d += kLanes) {
          const VecF x = hn::Mul(LoadUpTo(q + d, head_dim_ - d), scale);
          alignas(32) uint32_t pairs[kLanes / 2];
          _mm256_store_si256(reinterpret_cast<__m256i*>(pairs),
                             reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.raw)));
          for (int i = 0; i < kLanes / 2 && d + 2 * i < head_dim_; ++i) {
            out[(d / 2 + i) * n + r] = pairs[i];
          }
        }
      }
      out += n * head_dim_ / 2;
    }
  }

  // The line at element `at` of half 0 or 1 of a panel, of the keys' half and of the values' half
  // in turn (attend_direct-inl.h).
  HWY_INLINE void Prefetch(const KeyPanel& panel, int half, int at) const {
    const bool odd = at / 32 % 2 != 0;
    const auto* side = static_cast<const uint16_t*>(odd ? panel.values : panel.keys);
    const int size = kPanelTokens * (odd ? ValueStride(head_dim_) : head_dim_);
    __builtin_prefetch(side + half * size / 2 + at / 2, 0, 2);
  }

  int head_dim_;
  bool with_values_;
  uint32_t* q_;
  uint16_t* panels_;
};

// Few rows are bound by memory: f32 arithmetic costs them nothing.
inline constexpr int kFewRows = 8;

void AttendDot(const AttendArgs& a) {
  const bool few = a.rows <= kFewRows;
  if (a.dtype == DType::kBF16) {
    return few ? AttendWith<DotProducts<DType::kBF16, true>>(a)
               : AttendWith<DotProducts<DType::kBF16, false>>(a);
  }
  if (few || !a.may_round) return Avx512VnniKernels().attend(a);
  switch (a.dtype) {
    case DType::kF32:
      return AttendWith<DotProducts<DType::kF32, false>>(a);
    case DType::kF16:
      return AttendWith<DotProducts<DType::kF16, false>>(a);
    case DType::kI8:
      return AttendWith<DotProducts<DType::kI8, false>>(a);
    case DType::kBF16:
      return;
  }
}

// As PeakF32.
double PeakBf16(int64_t rounds) {
  constexpr int kChains = 12;
  constexpr int kSteps = 16;
  __m512 sum[kChains];
  for (int c = 0; c < kChains; ++c) sum[c] = _mm512_setzero_ps();
  const __m512bh x = Pairs(_mm512_set1_epi32(0x3f803f80));
  for (int64_t i = 0; i < rounds; ++i) {
    for (int step = 0; step < kSteps; ++step) {
      for (int c = 0; c < kChains; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], x, x);
    }
  }
  for (int c = 1; c < kChains; ++c) sum[0] = _mm512_add_ps(sum[0], sum[c]);
  float sink = Sum(VecF{sum[0]});
  asm volatile("" : "+m"(sink));
  return 2.0 * 2.0 * kSteps * kChains * 16 * static_cast<double>(rounds);
}

}  // namespace avx512bf16

const KernelTable& Avx512Bf16Kernels() {
  static const KernelTable table = [] {
    KernelTable t = Avx512VnniKernels();  // every CPU with the one has the other
    t.isa = "avx512bf16";
    t.prefers_bf16 = true;
    t.gemv_f32 = avx512bf16::GemvF32;
    t.gemv_f16 = avx512bf16::GemvF16;
    t.gemv_bf16 = avx512bf16::GemvBf16;
    t.gemv_quant = avx512bf16::GemvQuant;
    t.attend = avx512bf16::AttendDot;  // its scratch is less than that of f32 products
    t.peak_bf16 = avx512bf16::PeakBf16;
    return t;
  }();
  return table;
}

}  // namespace quarry::kernels
