#include "ops/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"
#include "tensor/dtype.h"

namespace quarry {
namespace {

constexpr int64_t kPanel = kernels::kWeightPanel;

float RowElement(const MatrixRows& rows, int64_t index) {
  const std::byte* p = rows.data + index * static_cast<int64_t>(SizeOf(rows.dtype));
  // Files promise no alignment.
  if (rows.dtype == DType::kF32) {
    float x;
    std::memcpy(&x, p, 4);
    return x;
  }
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return rows.dtype == DType::kBF16 ? ToFloat(BFloat16{bits}) : ToFloat(Float16{bits});
}

}  // namespace

PackedMatrix::PackedMatrix(DType dtype, int64_t n, int64_t k, int64_t n_panels)
    : dtype_(dtype), n_(n), k_(k), n_panels_(n_panels) {
  QUARRY_CHECK((dtype == DType::kF32 || dtype == DType::kBF16) && k % 2 == 0,
               "unsupported packing");
  data_ = AlignedBuffer(static_cast<size_t>(n_panels_ * panel_bytes()));
  std::memset(data_.data(), 0, data_.size());
}

int64_t PackedMatrix::panel_bytes() const {
  return dtype_ == DType::kF32 ? RoundUp(k_, 16) * kPanel * 4 : RoundUp(k_, 32) * kPanel * 2;
}

void PackedMatrix::SetColumn(int64_t p, int column, const MatrixRows& rows, int64_t from) {
  std::byte* out = data_.data() + p * panel_bytes();
  for (int64_t i = 0; i < k_; ++i) {
    const float x = RowElement(rows, from * k_ + i);
    if (dtype_ == DType::kF32) {
      reinterpret_cast<float*>(out)[i * kPanel + column] = x;
    } else {
      reinterpret_cast<BFloat16*>(out)[i / 2 * 2 * kPanel + column * 2 + i % 2] = ToBFloat16(x);
    }
  }
}

PackedMatrix PackedMatrix::Stack(std::span<const MatrixRows> parts, int64_t k, DType dtype) {
  int64_t n = 0;
  for (const MatrixRows& part : parts) n += part.n;
  PackedMatrix out(dtype, n, k, CeilDiv(n, kPanel));
  int64_t row = 0;
  for (const MatrixRows& part : parts) {
    for (int64_t i = 0; i < part.n; ++i, ++row) {
      out.SetColumn(row / kPanel, static_cast<int>(row % kPanel), part, i);
    }
  }
  return out;
}

PackedMatrix PackedMatrix::Interleave(const MatrixRows& gate, const MatrixRows& up, int64_t k,
                                      DType dtype) {
  QUARRY_CHECK(gate.n == up.n, "gate and up differ in size");
  PackedMatrix out(dtype, 2 * gate.n, k, 2 * CeilDiv(gate.n, kPanel));
  for (int64_t i = 0; i < gate.n; ++i) {
    out.SetColumn(2 * (i / kPanel), static_cast<int>(i % kPanel), gate, i);
    out.SetColumn(2 * (i / kPanel) + 1, static_cast<int>(i % kPanel), up, i);
  }
  return out;
}

void PackedMatrix::SetStackedBias(std::span<const std::vector<float>> parts) {
  bias_.assign(static_cast<size_t>(padded_n()), 0.0f);
  size_t at = 0;
  for (const std::vector<float>& part : parts) {
    std::copy(part.begin(), part.end(), bias_.begin() + static_cast<int64_t>(at));
    at += part.size();
  }
}

void PackedMatrix::SetInterleavedBias(const std::vector<float>& gate,
                                      const std::vector<float>& up) {
  bias_.assign(static_cast<size_t>(padded_n()), 0.0f);
  for (size_t i = 0; i < gate.size(); ++i) {
    const size_t at = 2 * (i / kPanel) * kPanel + i % kPanel;
    bias_[at] = gate[i];
    bias_[at + kPanel] = up[i];
  }
}

}  // namespace quarry
