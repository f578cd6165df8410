// Linear layers: Y = X W^T with what follows fused behind it.
#pragma once

#include <cstdint>

#include "ops/exec_context.h"
#include "ops/packed_matrix.h"

namespace quarry {

// What happens to the product P [m, w.padded_n()] of a layer, w.bias() included.
enum class Epilogue {
  kStore,    // y = P
  kAdd,      // y += P
  kSiluMul,  // y = silu(gate panels) * up panels; w from PackedMatrix::Interleave
};

// Columns of Y that MatMul writes per row: w.padded_n(), half of it for kSiluMul. Rows of Y are at
// least that far apart.
int64_t OutputColumns(const PackedMatrix& w, Epilogue epilogue);

// x: [m][x_stride] f32, x_stride >= k. y: [m][y_stride] f32. Sums are in f32; x is rounded to
// bf16 first if no weight is f32 or f16, m > kGemvMaxRows and the context asks for bf16 products.
// With quantised weights and m <= kGemvMaxRows, x is rounded to 8 bits in groups of 32 (see
// docs/quantization.md). A row of Y does not depend on m beyond that, nor on the number of threads.
void MatMul(const PackedMatrix& w, const float* x, int64_t x_stride, int64_t m, Epilogue epilogue,
            float* y, int64_t y_stride, ExecContext& ctx);

// Up to this many rows, a product reads the weights once with the matrix-vector kernels.
inline constexpr int64_t kGemvMaxRows = 8;

}  // namespace quarry
