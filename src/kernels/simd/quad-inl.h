// Sums of four products of unsigned and signed bytes per 32-bit lane: what quantised weights are
// multiplied with. Highway 1.0.3 has no such operation.
#pragma once

#include "kernels/simd/vec-inl.h"

#if HWY_ARCH_X86
#include <immintrin.h>
#endif

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

using U8 = hn::Repartition<uint8_t, F32>;
using I8 = hn::Repartition<int8_t, F32>;
using U16 = hn::Repartition<uint16_t, F32>;
using I16 = hn::Repartition<int16_t, F32>;
using VecU8 = hn::Vec<U8>;
using VecI8 = hn::Vec<I8>;
inline constexpr U8 kU8;
inline constexpr I8 kI8;
inline constexpr U16 kU16;
inline constexpr I16 kI16;

// Four consecutive codes in every lane.
HWY_INLINE VecI8 SplatQuad(const int8_t* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, sizeof quad);
  return hn::BitCast(kI8, hn::Set(kI32, quad));
}

// sum[lane] += w[4 lane + i] * x[4 lane + i], i = 0 .. 3. kBits: of w's values; up to 7 bits two
// products fit 16 bits together.
template <int kBits>
HWY_INLINE VecI AddQuads(VecI sum, VecU8 w, VecI8 x) {
#if defined(__AVX512VNNI__)
  return VecI{_mm512_dpbusd_epi32(sum.raw, w.raw, x.raw)};
#elif HWY_TARGET == HWY_AVX3
  if constexpr (kBits == 8) {
    // Signs move from the weight, less its offset, to the input.
    const __m512i centred = _mm512_xor_si512(w.raw, _mm512_set1_epi8(-128));
    const __m512i moved =
        _mm512_mask_sub_epi8(x.raw, _mm512_movepi8_mask(centred), _mm512_setzero_si512(), x.raw);
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(centred), moved);
    return hn::Add(sum, VecI{_mm512_madd_epi16(pairs, _mm512_set1_epi16(1))});
  } else {
    const __m512i pairs = _mm512_maddubs_epi16(w.raw, x.raw);
    return hn::Add(sum, VecI{_mm512_madd_epi16(pairs, _mm512_set1_epi16(1))});
  }
#elif HWY_TARGET == HWY_AVX2
  __m256i magnitude = w.raw, moved = x.raw;
  if constexpr (kBits == 8) {
    const __m256i centred = _mm256_xor_si256(w.raw, _mm256_set1_epi8(-128));
    magnitude = _mm256_abs_epi8(centred);
    moved = _mm256_sign_epi8(x.raw, centred);
  }
  const __m256i pairs = _mm256_maddubs_epi16(magnitude, moved);
  return hn::Add(sum, VecI{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#else
  // Products of even and odd bytes fit 16 bits (255 * 127); their sums need 32.
  const auto w16 = hn::BitCast(kI16, w);
  const auto x16 = hn::BitCast(kI16, x);
  const auto even =
      hn::Mul(hn::And(w16, hn::Set(kI16, 255)), hn::ShiftRight<8>(hn::ShiftLeft<8>(x16)));
  const auto odd =
      hn::Mul(hn::BitCast(kI16, hn::ShiftRight<8>(hn::BitCast(kU16, w))), hn::ShiftRight<8>(x16));
  const VecI e = hn::BitCast(kI32, even), o = hn::BitCast(kI32, odd);
  const VecI low =
      hn::Add(hn::ShiftRight<16>(hn::ShiftLeft<16>(e)), hn::ShiftRight<16>(hn::ShiftLeft<16>(o)));
  return hn::Add(sum, hn::Add(low, hn::Add(hn::ShiftRight<16>(e), hn::ShiftRight<16>(o))));
#endif
}

// Whether AddQuads<8> has taken the offset of 128 from the weights itself.
#if !defined(__AVX512VNNI__) && (HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2)
inline constexpr bool kQuadsCentred = true;
#else
inline constexpr bool kQuadsCentred = false;
#endif

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
