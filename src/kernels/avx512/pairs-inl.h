// Pairs of 16-bit numbers, as pairwise dot products take them.
#pragma once

#include <immintrin.h>

#include "kernels/simd/vec-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

// Two rows of 16 numbers, one after the other, as 16 pairs.
HWY_INLINE __m512i Interleave(__m512i rows) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), rows);
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
