// Matrix products by oneDNN, single-threaded, for one thread of the pool.
//
// Debian's oneDNN runs on OpenMP, whose threads would fight with the pool's; each worker therefore
// multiplies a slice by itself. The result of a row does not depend on how many rows are multiplied
// with it: the implementation that is used (brgemm) treats rows alike, which a test checks.
#pragma once

#include <cstdint>
#include <memory>

#include "quarry/types.h"

namespace quarry {

// The weight operand: 64-column panels one after the other (see packed_matrix.h) or plain rows.
enum class GemmWeights {
  kBf16Panels,  // [n / 64][ceil(k / 32) * 16][64][2]
  kF32Panels,   // [n / 64][ceil(k / 16) * 16][64]
  kF32Rows,     // [k][n]
};

class GemmWorker {
 public:
  GemmWorker();
  GemmWorker(const GemmWorker&) = delete;
  GemmWorker& operator=(const GemmWorker&) = delete;
  ~GemmWorker();

  // How widened f32 weights should lie for this machine: kF32Panels where oneDNN takes panels as
  // they are (AVX-512), else kF32Rows.
  GemmWeights f32_layout() const;

  // c[m][n] = a[m][k] * weights. `a` is dense, bf16 with kBf16Panels and f32 otherwise; c is dense
  // f32. REQUIRES: n a multiple of 64.
  void Multiply(GemmWeights layout, int64_t m, int64_t n, int64_t k, const void* a,
                const void* weights, float* c);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quarry
