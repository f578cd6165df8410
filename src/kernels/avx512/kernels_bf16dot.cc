// The AVX-512 kernels with bf16 dot products where they apply: attention over bf16 panels, whose
// layout VDPBF16PS reads as it is. Highway 1.0.3 has no such operation, hence intrinsics.

#define QUARRY_SIMD_NAMESPACE avx512bf16
#include <immintrin.h>

#include "kernels/simd/attend_direct-inl.h"

namespace quarry::kernels {

const KernelTable& Avx512VnniKernels();

namespace avx512bf16 {

HWY_INLINE __m512bh Pairs(__m512i bits) { return reinterpret_cast<__m512bh>(bits); }
HWY_INLINE __m512bh LoadPairs(const void* p) { return Pairs(_mm512_loadu_si512(p)); }
// One pair in every lane.
HWY_INLINE __m512bh SplatPair(const uint16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return Pairs(_mm512_set1_epi32(pair));
}

// Queries and weights are rounded to bf16; sums are f32.
class Bf16Products {
 public:
  static constexpr int kMaxRows = kRowTile;

  static int64_t ScratchFloats(int rows, int head_dim) {
    return (static_cast<int64_t>(rows) * head_dim + 1) / 2;
  }

  explicit Bf16Products(const AttendArgs& a)
      : head_dim_(a.head_dim), scale_(a.scale), q_(reinterpret_cast<uint16_t*>(a.scratch)) {
    const int64_t n = static_cast<int64_t>(a.rows) * a.head_dim;  // a multiple of 8
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      StoreBf16(LoadF(a.q + i), reinterpret_cast<BFloat16*>(q_ + i));
    }
    for (; i < n; ++i) StoreElement(DType::kBF16, q_, static_cast<size_t>(i), a.q[i]);
  }

  HWY_INLINE void Prepare(Tile& tile) const {
    for (int p = 0; p < tile.n; ++p) {
      tile.keys[p] = tile.panels[p].keys;
      tile.values[p] = tile.panels[p].values;
    }
  }

  template <int R, int P>
  HWY_INLINE void Scores(int row, const Tile& tile, int first, float* scores) const {
    const void* const* keys = tile.keys + first;
    const uint16_t* q = q_ + static_cast<int64_t>(row) * head_dim_;
    __m512 sum[R][P];
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < P; ++p) sum[r][p] = _mm512_setzero_ps();
    }
    for (int d = 0; d < head_dim_; d += 2) {
      __m512bh k[P];
      for (int p = 0; p < P; ++p) {
        k[p] = LoadPairs(static_cast<const uint16_t*>(keys[p]) + d * kPanelTokens);
      }
      for (int r = 0; r < R; ++r) {
        const __m512bh pair = SplatPair(q + r * head_dim_ + d);
        for (int p = 0; p < P; ++p) sum[r][p] = _mm512_dpbf16_ps(sum[r][p], k[p], pair);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < P; ++p) {
        _mm512_storeu_ps(scores + r * kTileTokens + p * kPanelTokens,
                         _mm512_mul_ps(sum[r][p], _mm512_set1_ps(scale_)));
      }
    }
  }

  template <int R>
  struct Weights {
    HWY_INLINE Weights(const Bf16Products&, const Tile&, const float* weights) {
      for (int i = 0; i < R * kTileTokens; i += kLanes) {
        StoreBf16(LoadF(weights + i), reinterpret_cast<BFloat16*>(bf16 + i));
      }
    }
    alignas(64) uint16_t bf16[R * kTileTokens];
  };

  template <int R, int V>
  HWY_INLINE void AddValues(const Tile& tile, const Weights<R>& weights, const float* rescale,
                            int column, float* o) const {
    const int stride = ValueStride(head_dim_);
    __m512 sum[R][V];
    for (int r = 0; r < R; ++r) {
      const __m512 factor = _mm512_set1_ps(rescale[r]);
      for (int v = 0; v < V; ++v) {
        sum[r][v] = _mm512_mul_ps(_mm512_loadu_ps(o + r * stride + column + v * 16), factor);
      }
    }
    for (int p = 0; p < tile.n; ++p) {
      const auto* values = static_cast<const uint16_t*>(tile.values[p]) + 2 * column;
      const uint16_t* w = weights.bf16 + p * kPanelTokens;
      for (int t = 0; t < kPanelTokens; t += 2) {
        __m512bh x[V];
        for (int v = 0; v < V; ++v) x[v] = LoadPairs(values + t * stride + v * 32);
        for (int r = 0; r < R; ++r) {
          const __m512bh pair = SplatPair(w + r * kTileTokens + t);
          for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x[v], pair);
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) {
        _mm512_storeu_ps(o + r * stride + column + v * 16, sum[r][v]);
      }
    }
  }

 private:
  int head_dim_;
  float scale_;
  uint16_t* q_;
};

void AttendDot(const AttendArgs& a) {
  if (a.dtype == DType::kBF16) {
    AttendWith<Bf16Products>(a);
  } else {
    Attend(a);
  }
}

int64_t AttendDotScratchFloats(int rows, int head_dim) {
  // F32Products take more than Bf16Products.
  return AttendScratchFloats(rows, head_dim);
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
    t.attend = avx512bf16::AttendDot;
    t.attend_scratch_floats = avx512bf16::AttendDotScratchFloats;
    t.peak_bf16 = avx512bf16::PeakBf16;
    return t;
  }();
  return table;
}

}  // namespace quarry::kernels
