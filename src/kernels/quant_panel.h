// How quantised weights lie in memory: panels of 64 rows of W, each four strips of 16 rows, a strip
// after the other. A strip holds the same bits as its 16 rows of GGUF blocks, rearranged so that
// one vector instruction advances all 16 rows by four inputs and scales are vectors.
//
// Per group of 32 inputs (chunk c = inputs 4c .. 4c + 3; lane byte b = 4 * row + input % 4):
//   8 bits   8 x 64 bytes: chunk c at 64 c + b, the code + 128
//   4 bits   4 x 64 bytes: chunk c in the low (c even) or high nibble of 64 (c / 2) + b
//   5 bits   64 bytes of high bits before them: bit c of byte b
//   6 bits   2 x 64 bytes of high bits before them: bits 2 (c % 4) and above of byte 64 (c / 4) + b
//
// Before each group of Q8_0, Q4_0, Q5_0: 16 f16 scales; of Q4_1, Q5_1: 16 f16 scales, 16 f16
// minima. Before each eight groups of Q4_K, Q5_K: 16 f16 d, 16 f16 dmin, then the 6-bit scales and
// minima:
//   8 x 16 bytes, group j and row r: low 4 bits of the scale, low 4 bits of the minimum above them
//   4 x 16 bytes, groups j and j + 4: for j the 2 high bits of the scale, those of the minimum; the
//   same for j + 4 in the high nibble
// Before each eight groups of Q6_K: 16 f16 d, then 16 x 16 i8: the scale of inputs 16 i .. 16 i +
// 15 and row r at 16 i + r.
//
// Inputs are quantised too: per group of 32 a scale and 8-bit codes, so that products are integers.
#pragma once

#include <cstdint>

#include "base/inline.h"
#include "tensor/weight_type.h"

namespace quarry::kernels {

inline constexpr int kStripRows = 16;
inline constexpr int kGroupInputs = 32;

// 32 inputs of a product: x[i] ~ scale * q[i].
struct InputGroup {
  float scale;
  int32_t sum[2];  // of the first and of the last 16 codes
  int8_t q[kGroupInputs];
};

// Groups whose inputs are all smaller get codes of 0; one that is not finite makes the scale NaN.
inline constexpr float kSmallestInput = 1e-30f;

// What sets a quantised type apart.
struct QuantLayout {
  int bits;          // of a code
  int offset;        // taken from the code: value = scale * (code - offset) + minimum
  bool minimum;      // whether there is one
  int super_groups;  // groups of 32 behind one header: 1 or 8
  int header_bytes;  // of 16 rows
  int group_bytes;   // of 16 rows: high bits and codes
  int scale_inputs;  // inputs that share a scale
};

QUARRY_ALWAYS_INLINE constexpr QuantLayout LayoutOf(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
      return {8, 128, false, 1, 32, 512, 32};
    case WeightType::kQ4_0:
      return {4, 8, false, 1, 32, 256, 32};
    case WeightType::kQ4_1:
      return {4, 0, true, 1, 64, 256, 32};
    case WeightType::kQ5_0:
      return {5, 16, false, 1, 32, 320, 32};
    case WeightType::kQ5_1:
      return {5, 0, true, 1, 64, 320, 32};
    case WeightType::kQ4_K:
      return {4, 0, true, 8, 256, 256, 32};
    case WeightType::kQ5_K:
      return {5, 0, true, 8, 256, 320, 32};
    case WeightType::kQ6_K:
      return {6, 32, false, 8, 288, 384, 16};
    default:
      return {};
  }
}

// Bytes of one strip of k inputs: those of 16 rows of blocks.
QUARRY_ALWAYS_INLINE constexpr int64_t StripBytes(WeightType type, int64_t k) {
  return kStripRows * RowBytes(type, k);
}

}  // namespace quarry::kernels
