// A weight matrix W [n, k] of a linear layer, packed once at load into panels of 64 output columns:
//
//   f32    [panels][k16][64]         k16 = k rounded up to 16
//   bf16   [panels][k32 / 2][64][2]  k32 = k rounded up to 32, pairs of inputs innermost
//
// One copy serves everything: oneDNN's blocked matrix products take these panels as they are, and
// the matrix-vector kernels read them front to back. Rows beyond n and inputs beyond k are zero.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/types.h"

#include "base/aligned_buffer.h"
#include "kernels/kernel_table.h"

namespace quarry {

// Rows of an unpacked matrix, [n][k], row-major.
struct MatrixRows {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  int64_t n = 0;
};

class PackedMatrix {
 public:
  PackedMatrix() = default;

  // The parts stacked on top of each other. REQUIRES: dtype is kF32 or kBF16, k even.
  static PackedMatrix Stack(std::span<const MatrixRows> parts, int64_t k, DType dtype);
  // Panels of `gate` and `up` in turn, each padded to whole panels: what Epilogue::kSiluMul reads.
  static PackedMatrix Interleave(const MatrixRows& gate, const MatrixRows& up, int64_t k,
                                 DType dtype);

  // What a layer adds to every row of its product: parts as in Stack or Interleave, each a vector;
  // an empty part is zero. Padding stays zero.
  void SetStackedBias(std::span<const std::vector<float>> parts);
  void SetInterleavedBias(const std::vector<float>& gate, const std::vector<float>& up);
  // [padded_n()], or empty.
  std::span<const float> bias() const { return bias_; }

  DType dtype() const { return dtype_; }
  int64_t n() const { return n_; }  // rows of W, without padding
  int64_t k() const { return k_; }
  int64_t n_panels() const { return n_panels_; }
  int64_t padded_n() const { return n_panels_ * kernels::kWeightPanel; }
  int64_t panel_bytes() const;
  const std::byte* panel(int64_t i) const { return data_.data() + i * panel_bytes(); }
  size_t size_bytes() const { return data_.size(); }

 private:
  PackedMatrix(DType dtype, int64_t n, int64_t k, int64_t n_panels);
  // Row `from` of `rows` becomes column `column` of panel `p`.
  void SetColumn(int64_t p, int column, const MatrixRows& rows, int64_t from);

  DType dtype_ = DType::kF32;
  int64_t n_ = 0;
  int64_t k_ = 0;
  int64_t n_panels_ = 0;
  AlignedBuffer data_;
  std::vector<float> bias_;
};

}  // namespace quarry
