// Rows of weights to f32 and back, block by block as GGUF stores them (docs/quantization.md has the
// layouts). Plain loops: the reference that the kernels are tested against, and what the converter
// and the embedding table use.
#pragma once

#include <cstdint>

#include "tensor/weight_type.h"

namespace quarry {

// out[n] = the values of `row`, exactly as the format defines them: one rounding to f32 at most.
// No alignment is required. REQUIRES: n is a multiple of the type's block.
void DequantizeRow(WeightType type, const void* row, int64_t n, float* out);

// Whether QuantizeRow writes this type.
constexpr bool CanQuantizeTo(WeightType type) {
  return !IsQuantized(type) || type == WeightType::kQ8_0 || type == WeightType::kQ4_0 ||
         type == WeightType::kQ4_K;
}

// The reverse, RowBytes(type, n) bytes. F16, BF16: rounded to nearest, ties to even. Q8_0: the
// largest magnitude of a block becomes 127. Q4_0: it becomes -8. Q4_K: scale and minimum of each
// group of 32 by weighted least squares.
// Values that are not finite make their block not finite, or 0. REQUIRES: CanQuantizeTo(type), n as
// above.
void QuantizeRow(WeightType type, const float* x, int64_t n, void* out);

// The 6-bit scales and minima of a Q4_K or Q5_K block: scales[12] to sc[8] and mn[8].
void UnpackScales6(const uint8_t* packed, uint8_t* sc, uint8_t* mn);

}  // namespace quarry
