#include "ops/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"
#include "ops/pack_quant.h"
#include "tensor/dtype.h"
#include "tensor/quantize.h"

namespace quarry {
namespace {

constexpr int64_t kPanel = kernels::kWeightPanel;

// What the rows of a part are held as.
WeightType HeldAs(const MatrixRows& rows, int64_t k, const PackTarget& target) {
  if (IsQuantized(rows.type)) return rows.type;
  if (IsQuantized(target.quantize) && k % BlockOf(target.quantize).values == 0) {
    return target.quantize;
  }
  return WeightTypeOf(target.dtype);
}

}  // namespace

PackedMatrix::PackedMatrix(std::span<const WeightType> panel_types, int64_t n, int64_t k)
    : n_(n), k_(k) {
  int64_t bytes = 0;
  for (WeightType type : panel_types) {
    QUARRY_CHECK(type != WeightType::kF16 && k % 2 == 0 && k % BlockOf(type).values == 0,
                 "unsupported packing");
    panels_.push_back({type, bytes});
    bytes += PanelBytes(type, k);
    uniform_ = uniform_ && type == panel_types[0];
    quantized_ = quantized_ || IsQuantized(type);
  }
  data_ = AlignedBuffer(static_cast<size_t>(bytes));
  if (bytes > 0) std::memset(data_.data(), 0, data_.size());
}

int64_t PackedMatrix::PanelBytes(WeightType type, int64_t k) {
  if (type == WeightType::kF32) return RoundUp(k, 16) * kPanel * 4;
  if (type == WeightType::kBF16) return RoundUp(k, 32) * kPanel * 2;
  return kPanel * RowBytes(type, k);
}

void PackedMatrix::SetColumn(int64_t p, int column, const MatrixRows& rows, int64_t from) {
  const WeightType type = panel_type(p);
  std::byte* out = data_.data() + panels_[static_cast<size_t>(p)].begin;
  const std::byte* row = rows.data + from * RowBytes(rows.type, k_);
  if (type != rows.type || !IsQuantized(type)) {
    wide_.resize(static_cast<size_t>(k_));
    DequantizeRow(rows.type, row, k_, wide_.data());
  }
  if (IsQuantized(type)) {
    if (type != rows.type) {
      blocks_.resize(static_cast<size_t>(RowBytes(type, k_)));
      QuantizeRow(type, wide_.data(), k_, blocks_.data());
      row = blocks_.data();
    }
    PackQuantRow(type, row, k_, column % kernels::kStripRows,
                 out + column / kernels::kStripRows * kernels::StripBytes(type, k_));
    return;
  }
  for (int64_t i = 0; i < k_; ++i) {
    const float x = wide_[static_cast<size_t>(i)];
    if (type == WeightType::kF32) {
      reinterpret_cast<float*>(out)[i * kPanel + column] = x;
    } else {
      reinterpret_cast<BFloat16*>(out)[i / 2 * 2 * kPanel + column * 2 + i % 2] = ToBFloat16(x);
    }
  }
}

PackedMatrix PackedMatrix::Stack(std::span<const MatrixRows> parts, int64_t k,
                                 const PackTarget& target) {
  int64_t n = 0;
  for (const MatrixRows& part : parts) n += part.n;
  std::vector<WeightType> types(static_cast<size_t>(CeilDiv(n, kPanel)),
                                WeightTypeOf(target.dtype));
  int64_t begin = 0;
  bool mixed = false;  // a panel has rows of several types
  for (const MatrixRows& part : parts) {
    const WeightType type = HeldAs(part, k, target);
    for (int64_t p = begin / kPanel; p * kPanel < begin + part.n; ++p) {
      mixed = mixed || (p * kPanel < begin && types[static_cast<size_t>(p)] != type);
      types[static_cast<size_t>(p)] = type;
    }
    begin += part.n;
  }
  if (mixed) std::fill(types.begin(), types.end(), WeightTypeOf(target.dtype));

  PackedMatrix out(types, n, k);
  int64_t row = 0;
  for (const MatrixRows& part : parts) {
    for (int64_t i = 0; i < part.n; ++i, ++row) {
      out.SetColumn(row / kPanel, static_cast<int>(row % kPanel), part, i);
    }
  }
  return out;
}

PackedMatrix PackedMatrix::Interleave(const MatrixRows& gate, const MatrixRows& up, int64_t k,
                                      const PackTarget& target) {
  QUARRY_CHECK(gate.n == up.n, "gate and up differ in size");
  std::vector<WeightType> types;
  for (int64_t i = 0; i < CeilDiv(gate.n, kPanel); ++i) {
    types.push_back(HeldAs(gate, k, target));
    types.push_back(HeldAs(up, k, target));
  }
  PackedMatrix out(types, 2 * gate.n, k);
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
