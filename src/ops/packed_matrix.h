// A weight matrix W [n, k] of a linear layer, packed once at load into panels of 64 output columns:
//
//   f32    [panels][k16][64]         k16 = k rounded up to 16
//   f16    [panels][k16][64]
//   bf16   [panels][k32 / 2][64][2]  k32 = k rounded up to 32, pairs of inputs innermost
//   q...   [panels][4 strips]        the bits of the blocks, see kernels/quant_panel.h
//
// One copy serves everything: oneDNN's blocked matrix products take f32 and bf16 panels as they are
// (others are widened slab by slab), and the matrix-vector kernels read all of them front to back.
// Rows beyond n and inputs beyond k are zero.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/types.h"

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "tensor/weight_type.h"

namespace quarry {

// Rows of an unpacked matrix, [n][k], row-major.
struct MatrixRows {
  MatrixRows() = default;
  MatrixRows(const std::byte* rows, WeightType weight_type, int64_t count)
      : data(rows), type(weight_type), n(count) {}
  MatrixRows(const std::byte* rows, DType dtype, int64_t count)
      : MatrixRows(rows, WeightTypeOf(dtype), count) {}

  const std::byte* data = nullptr;
  WeightType type = WeightType::kF32;
  int64_t n = 0;
};

// What a matrix is held as.
struct PackTarget {
  DType dtype = DType::kF32;  // of rows that are not quantised: kF32, kF16 or kBF16
  // Quantise those rows on loading, where k is a multiple of the block; kF32: leave them.
  WeightType quantize = WeightType::kF32;
  ThreadPool* threads = nullptr;  // that pack, a panel each; null: the calling one
};

class PackedMatrix {
 public:
  PackedMatrix() = default;

  // The parts stacked on top of each other. Quantised parts stay as they are, each panel in the
  // type of its rows; parts of several types that do not end where a panel does are widened to
  // target.dtype. REQUIRES: k even, and for quantised parts a multiple of the block.
  static PackedMatrix Stack(std::span<const MatrixRows> parts, int64_t k, const PackTarget& target);
  static PackedMatrix Stack(std::span<const MatrixRows> parts, int64_t k, DType dtype) {
    return Stack(parts, k, PackTarget{dtype});
  }
  // Panels of `gate` and `up` in turn, each padded to whole panels: what Epilogue::kSiluMul reads.
  static PackedMatrix Interleave(const MatrixRows& gate, const MatrixRows& up, int64_t k,
                                 const PackTarget& target);
  static PackedMatrix Interleave(const MatrixRows& gate, const MatrixRows& up, int64_t k,
                                 DType dtype) {
    return Interleave(gate, up, k, PackTarget{dtype});
  }

  // What a layer adds to every row of its product: parts as in Stack or Interleave, each a vector;
  // an empty part is zero. Padding stays zero.
  void SetStackedBias(std::span<const std::vector<float>> parts);
  void SetInterleavedBias(const std::vector<float>& gate, const std::vector<float>& up);
  // [padded_n()], or empty.
  std::span<const float> bias() const { return bias_; }

  WeightType panel_type(int64_t i) const { return panels_[static_cast<size_t>(i)].type; }
  // The type of every panel, if they agree.
  bool uniform() const { return uniform_; }
  bool quantized() const { return quantized_; }  // any panel
  int64_t n() const { return n_; }               // rows of W, without padding
  int64_t k() const { return k_; }
  int64_t n_panels() const { return static_cast<int64_t>(panels_.size()); }
  int64_t padded_n() const { return n_panels() * kernels::kWeightPanel; }
  int64_t panel_bytes(int64_t i) const { return PanelBytes(panel_type(i), k_); }
  const std::byte* panel(int64_t i) const {
    return data_.data() + panels_[static_cast<size_t>(i)].begin;
  }
  size_t size_bytes() const { return data_.size(); }

  static int64_t PanelBytes(WeightType type, int64_t k);

 private:
  struct Panel {
    WeightType type;
    int64_t begin;  // in data_
  };
  // A row of the unpacked matrix that becomes a column.
  struct Row {
    const std::byte* data = nullptr;  // null: zeros
    WeightType type = WeightType::kF32;
  };
  // columns[64 * p + c] becomes column c of panel p.
  PackedMatrix(std::span<const WeightType> panel_types, std::span<const Row> columns, int64_t n,
               int64_t k, ThreadPool* threads);
  void PackPanel(int64_t p, std::span<const Row> columns);
  void PackQuantPanel(int64_t p, std::span<const Row> columns);

  int64_t n_ = 0;
  int64_t k_ = 0;
  bool uniform_ = true;
  bool quantized_ = false;
  std::vector<Panel> panels_;
  AlignedBuffer data_;
  std::vector<float> bias_;
};

}  // namespace quarry
