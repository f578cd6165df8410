// Attention of a few rows over int8 panels by integer products. In f32 arithmetic, conversion and
// not memory is what bounds decoding over int8 keys and values.
//
// Codes are widened to 16 bits. So are queries, each block of channels that shares a scale of the
// keys by its largest, and the weights of a tile times the scales of the values, each row by its
// largest: 15 bits beside the codes' 7. Sums of a block and of a tile are exact in 32 bits
// (32 * 127 * 32767 and 64 * 127 * 32767).
#pragma once

#include <immintrin.h>

#include "kernels/avx512/pairs-inl.h"
#include "kernels/simd/attend-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

class Int8Products {
 public:
  static constexpr int kMaxRows = 8;

  static int64_t ScratchFloats(int rows, int head_dim) {
    return (int64_t{rows} * (head_dim / 2 + ScaleBlocks(head_dim)) + 15) / 16 * 16;
  }

  // REQUIRES: a.rows <= kMaxRows, so that one register tile takes them all.
  explicit Int8Products(const AttendArgs& a)
      : head_dim_(a.head_dim),
        pairs_(reinterpret_cast<int32_t*>(a.scratch)),
        scales_(a.scratch + int64_t{a.rows} * a.head_dim / 2) {
    for (int block = 0; block < ScaleBlocks(head_dim_); ++block) {
      for (int r = 0; r < a.rows; ++r) PackQuery(a, block, r);
    }
  }

  HWY_INLINE void Prepare(Tile& tile) const {
    for (int p = 0; p < tile.n; ++p) {
      tile.keys[p] = tile.panels[p].keys;
      tile.values[p] = tile.panels[p].values;
    }
  }

  template <int R, int P>
  HWY_INLINE void Scores(int /*row*/, const Tile& tile, int first, float* scores) const {
    const void* const* keys = tile.keys + first;
    const int32_t* q = pairs_;
    for (int begin = 0, block = 0; begin < head_dim_; begin += kScaleBlock, ++block) {
      const int end = begin + kScaleBlock < head_dim_ ? begin + kScaleBlock : head_dim_;
      __m512i sum[R][P];
      for (int r = 0; r < R; ++r) {
        for (int p = 0; p < P; ++p) sum[r][p] = _mm512_setzero_si512();
      }
      for (int p = 0; p < P && block % 2 == 0; ++p) {  // scales: two blocks a line
        const KeyPanel& panel = *tile.ahead[first + p];
        Prefetch(KeyScales(panel.keys, head_dim_), 2 * block * kPanelTokens);
        Prefetch(ValueScales(panel.values, head_dim_), 2 * block * kPanelTokens);
      }
      for (int d = begin; d < end; d += 2, q += R) {
        __m512i k[P];
        for (int p = 0; p < P; ++p) {
          const auto* codes = static_cast<const int8_t*>(keys[p]) + d * kPanelTokens;
          if (d % 4 == 0) Prefetch(tile.ahead[first + p]->keys, d * kPanelTokens);
          k[p] = Interleave(Widen16(codes));
        }
        for (int r = 0; r < R; ++r) {
          const __m512i pair = _mm512_set1_epi32(q[r]);
          for (int p = 0; p < P; ++p) sum[r][p] = AddPairs(sum[r][p], k[p], pair);
        }
      }
      for (int p = 0; p < P; ++p) {
        const VecF key_scale = LoadBf16(KeyScales(keys[p], head_dim_) + block * kPanelTokens);
        for (int r = 0; r < R; ++r) {
          float* to = scores + r * kTileTokens + p * kPanelTokens;
          const VecF factor = hn::Mul(key_scale, Splat(scales_[block * R + r]));
          const VecF part{_mm512_cvtepi32_ps(sum[r][p])};
          StoreF(block == 0 ? hn::Mul(part, factor) : hn::MulAdd(part, factor, LoadF(to)), to);
        }
      }
    }
  }

  // [R][block][token / 2] weights times scales, pairs of 16 bits, and what one of them is worth.
  template <int R>
  struct Weights {
    static constexpr int kBlocks = kMaxHeadDim / kScaleBlock;

    HWY_INLINE Weights(const Int8Products& products, const Tile& tile, const float* weights) {
      const int dim = products.head_dim_;
      VecF w[R][kTilePanels];
      float largest[R];
      for (int r = 0; r < R; ++r) {
        for (int p = 0; p < kTilePanels; ++p) {
          w[r][p] = LoadF(weights + r * kTileTokens + p * kPanelTokens);
        }
        largest[r] = Largest(hn::Max(hn::Max(w[r][0], w[r][1]), hn::Max(w[r][2], w[r][3])));
        const VecF inverse = Splat(Inverse(largest[r]));
        for (int p = 0; p < kTilePanels; ++p) w[r][p] = hn::Mul(w[r][p], inverse);
      }
      for (int b = 0; b < ScaleBlocks(dim); ++b) {
        VecF scale[kTilePanels];
        VecF top = hn::Zero(kF32);
        for (int p = 0; p < kTilePanels; ++p) {
          scale[p] = p < tile.n ? LoadBf16(ValueScales(tile.values[p], dim) + b * kPanelTokens)
                                : hn::Zero(kF32);
          top = hn::Max(top, scale[p]);
        }
        const float most = Largest(top);
        const VecF inverse = Splat(Inverse(most));
        for (int p = 0; p < kTilePanels; ++p) scale[p] = hn::Mul(scale[p], inverse);
        for (int r = 0; r < R; ++r) {
          for (int p = 0; p < kTilePanels; ++p) {
            const VecF share = hn::Mul(hn::Mul(w[r][p], scale[p]), Splat(kOne));
            int32_t* to = pairs + ((r * kBlocks + b) * kTileTokens + p * kPanelTokens) / 2;
            _mm256_store_si256(reinterpret_cast<__m256i*>(to),
                               _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(share.raw)));
          }
          worth[r][b] = largest[r] * most * (1 / kOne);
        }
      }
    }
    alignas(64) int32_t pairs[R * kBlocks * kTileTokens / 2];
    float worth[R][kBlocks];
  };

  template <int R, int V>
  HWY_INLINE void AddValues(const Tile& tile, const Weights<R>& weights, const float* rescale,
                            int column, float* o) const {
    const int stride = ValueStride(head_dim_);
    constexpr int kBlockVecs = V < 2 ? 1 : 2;  // of a block of channels
    const int block = column / kScaleBlock;
    __m512i sum[R][V];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) sum[r][v] = _mm512_setzero_si512();
    }
    for (int p = 0; p < tile.n; ++p) {
      const auto* values = static_cast<const int8_t*>(tile.values[p]) + column;
      const auto* ahead = tile.ahead[p]->values;
      const int32_t* w = weights.pairs + (block * kTileTokens + p * kPanelTokens) / 2;
      for (int pair = 0; pair < kPanelTokens / 2; ++pair, ++w, values += 2 * stride) {
        for (int i = 0; i < 2 * V * kLanes; i += 64) {
          Prefetch(ahead, column * kPanelTokens + pair * 2 * V * kLanes + i);
        }
        for (int v = 0; v < V; v += kBlockVecs) {
          __m512i x[kBlockVecs];
          Channels<kBlockVecs>(values + v * kLanes, stride, x);
          for (int r = 0; r < R; ++r) {
            const __m512i both = _mm512_set1_epi32(
                w[(r * Weights<R>::kBlocks + v / kBlockVecs) * (kTileTokens / 2)]);
            for (int i = 0; i < kBlockVecs; ++i) {
              sum[r][v + i] = AddPairs(sum[r][v + i], x[i], both);
            }
          }
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      const VecF factor = Splat(rescale[r]);
      for (int v = 0; v < V; v += kBlockVecs) {
        InOrder<kBlockVecs>(sum[r] + v);
        const VecF worth = Splat(weights.worth[r][block + v / kBlockVecs]);
        for (int i = 0; i < kBlockVecs; ++i) {
          float* to = o + r * stride + column + (v + i) * kLanes;
          const VecF part = hn::Mul(VecF{_mm512_cvtepi32_ps(sum[r][v + i])}, worth);
          StoreF(hn::MulAdd(LoadF(to), factor, part), to);
        }
      }
    }
  }

 private:
  static constexpr float kOne = 32767;

  HWY_INLINE static float Inverse(float x) { return x > 0 ? 1 / x : 0; }

  // One block of channels of row r, times the scale: [block][channel / 2][rows] pairs, and
  // [block][rows] what one is worth.
  void PackQuery(const AttendArgs& a, int block, int r) {
    const int begin = block * kScaleBlock;
    const int n = a.head_dim - begin < kScaleBlock ? a.head_dim - begin : kScaleBlock;
    const float* q = a.q + static_cast<int64_t>(r) * a.head_dim + begin;
    float largest = 0;
    float poison = 0;  // what is no number makes scores that are none
    for (int i = 0; i < n; ++i) {
      const float x = __builtin_fabsf(q[i]);
      largest = x > largest ? x : largest;
      poison += q[i] * 0;
    }
    const float inverse = kOne * Inverse(largest);
    for (int i = 0; i < n; i += 2) {
      const auto low = static_cast<uint32_t>(Rounded(q[i] * inverse));
      const auto high = static_cast<uint32_t>(Rounded(q[i + 1] * inverse));
      pairs_[static_cast<int64_t>(begin + i) / 2 * a.rows + r] =
          static_cast<int32_t>((low & 0xffffu) | high << 16);
    }
    scales_[block * a.rows + r] = largest * a.scale * (1 / kOne) + poison;
  }
  static int32_t Rounded(float x) { return _mm_cvtss_si32(_mm_set_ss(x)); }

  // sum[lane] += a[2 lane] * b[2 lane] + a[2 lane + 1] * b[2 lane + 1]
  HWY_INLINE static __m512i AddPairs(__m512i sum, __m512i a, __m512i b) {
    return _mm512_dpwssd_epi32(sum, a, b);
  }
  HWY_INLINE static __m512i Widen16(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }

  // Pairs of a token and the next, of 32 channels in an order of their own (InOrder) or of 16.
  template <int N>
  HWY_INLINE static void Channels(const int8_t* values, int stride, __m512i (&x)[N]) {
    if constexpr (N == 2) {
      const __m512i even = Widen16(values), odd = Widen16(values + stride);
      x[0] = _mm512_unpacklo_epi16(even, odd);
      x[1] = _mm512_unpackhi_epi16(even, odd);
    } else {
      const auto load = [](const int8_t* p) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      };
      const __m256i both = _mm256_set_m128i(load(values + stride), load(values));
      x[0] = Interleave(_mm512_cvtepi8_epi16(both));
    }
  }
  template <int N>
  HWY_INLINE static void InOrder(__m512i* sum) {
    if constexpr (N == 2) {
      const __m512i low = sum[0], high = sum[1];
      sum[0] = _mm512_permutex2var_epi64(low, _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), high);
      sum[1] = _mm512_permutex2var_epi64(low, _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4), high);
    }
  }

  HWY_INLINE static void Prefetch(const void* panel, int at) {
    __builtin_prefetch(static_cast<const char*>(panel) + at, 0, 2);
  }

  int head_dim_;
  int32_t* pairs_;
  float* scales_;
};

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
