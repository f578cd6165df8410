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

// Inputs that are transposed together: a multiple of every block. The distance of rows is no power
// of two, so that they do not share cache sets.
constexpr int64_t kTileInputs = 256;
constexpr int64_t kTileStride = kTileInputs + 16;

// tile[64][kTileStride] to out[n][64].
template <typename T>
void Transpose(const T* tile, int64_t n, T* out) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < kPanel; ++c) out[i * kPanel + c] = tile[c * kTileStride + i];
  }
}

}  // namespace

PackedMatrix::PackedMatrix(std::span<const WeightType> panel_types, std::span<const Row> columns,
                           int64_t n, int64_t k, ThreadPool* threads)
    : n_(n), k_(k) {
  int64_t bytes = 0;
  for (WeightType type : panel_types) {
    QUARRY_CHECK(k % 2 == 0 && k % BlockOf(type).values == 0, "unsupported packing");
    panels_.push_back({type, bytes});
    bytes += PanelBytes(type, k);
    uniform_ = uniform_ && type == panel_types[0];
    quantized_ = quantized_ || IsQuantized(type);
  }
  data_ = AlignedBuffer(static_cast<size_t>(bytes));
  const auto pack = [&](int64_t p, int) {
    const auto own = columns.subspan(static_cast<size_t>(p * kPanel), kPanel);
    std::memset(data_.data() + panels_[static_cast<size_t>(p)].begin, 0,
                static_cast<size_t>(panel_bytes(p)));
    IsQuantized(panel_type(p)) ? PackQuantPanel(p, own) : PackPanel(p, own);
  };
  if (threads != nullptr) {
    threads->Run(n_panels(), pack);
  } else {
    for (int64_t p = 0; p < n_panels(); ++p) pack(p, 0);
  }
}

int64_t PackedMatrix::PanelBytes(WeightType type, int64_t k) {
  if (type == WeightType::kF32) return RoundUp(k, 16) * kPanel * 4;
  if (type == WeightType::kF16) return RoundUp(k, 16) * kPanel * 2;
  if (type == WeightType::kBF16) return RoundUp(k, 32) * kPanel * 2;
  return kPanel * RowBytes(type, k);
}

void PackedMatrix::PackPanel(int64_t p, std::span<const Row> columns) {
  const WeightType type = panel_type(p);
  const int64_t size = BlockOf(type).bytes;
  std::byte* out = data_.data() + panels_[static_cast<size_t>(p)].begin;
  std::vector<float> wide(kTileInputs);
  AlignedBuffer tile(static_cast<size_t>(kPanel * kTileStride * size));
  std::memset(tile.data(), 0, tile.size());  // columns without a row
  for (int64_t begin = 0; begin < k_; begin += kTileInputs) {
    const int64_t n = std::min(kTileInputs, k_ - begin);
    for (int64_t c = 0; c < kPanel; ++c) {
      const Row& row = columns[static_cast<size_t>(c)];
      if (row.data == nullptr) continue;
      const std::byte* from = row.data + RowBytes(row.type, begin);
      std::byte* to = tile.data() + c * kTileStride * size;
      if (row.type == type) {
        std::memcpy(to, from, static_cast<size_t>(n * size));
      } else {
        DequantizeRow(row.type, from, n, wide.data());
        QuantizeRow(type, wide.data(), n, to);
      }
    }
    // Pairs of bf16 move as one.
    if (type == WeightType::kF16) {
      Transpose(reinterpret_cast<const uint16_t*>(tile.data()), n,
                reinterpret_cast<uint16_t*>(out) + begin * kPanel);
    } else if (type == WeightType::kBF16) {
      for (int64_t i = 0; i < n / 2; ++i) {
        for (int64_t c = 0; c < kPanel; ++c) {
          std::memcpy(out + ((begin / 2 + i) * kPanel + c) * 4,
                      tile.data() + (c * kTileStride + 2 * i) * 2, 4);
        }
      }
    } else {
      Transpose(reinterpret_cast<const uint32_t*>(tile.data()), n,
                reinterpret_cast<uint32_t*>(out) + begin * kPanel);
    }
  }
}

void PackedMatrix::PackQuantPanel(int64_t p, std::span<const Row> columns) {
  const WeightType type = panel_type(p);
  std::byte* out = data_.data() + panels_[static_cast<size_t>(p)].begin;
  std::vector<float> wide(static_cast<size_t>(k_));
  std::vector<std::byte> blocks(static_cast<size_t>(RowBytes(type, k_)));
  for (int64_t c = 0; c < kPanel; ++c) {
    const Row& row = columns[static_cast<size_t>(c)];
    if (row.data == nullptr) continue;
    const std::byte* data = row.data;
    if (type != row.type) {
      DequantizeRow(row.type, data, k_, wide.data());
      QuantizeRow(type, wide.data(), k_, blocks.data());
      data = blocks.data();
    }
    PackQuantRow(type, data, k_, static_cast<int>(c % kernels::kStripRows),
                 out + c / kernels::kStripRows * kernels::StripBytes(type, k_));
  }
}

PackedMatrix PackedMatrix::Stack(std::span<const MatrixRows> parts, int64_t k,
                                 const PackTarget& target) {
  int64_t n = 0;
  for (const MatrixRows& part : parts) n += part.n;
  const int64_t n_panels = CeilDiv(n, kPanel);
  std::vector<WeightType> types(static_cast<size_t>(n_panels), WeightTypeOf(target.dtype));
  std::vector<Row> columns;
  columns.reserve(static_cast<size_t>(n_panels * kPanel));
  bool mixed = false;  // a panel has rows of several types
  for (const MatrixRows& part : parts) {
    const auto begin = static_cast<int64_t>(columns.size());
    const WeightType type = HeldAs(part, k, target);
    for (int64_t p = begin / kPanel; p * kPanel < begin + part.n; ++p) {
      mixed = mixed || (p * kPanel < begin && types[static_cast<size_t>(p)] != type);
      types[static_cast<size_t>(p)] = type;
    }
    for (int64_t i = 0; i < part.n; ++i) {
      columns.push_back({part.data + i * RowBytes(part.type, k), part.type});
    }
  }
  if (mixed) std::fill(types.begin(), types.end(), WeightTypeOf(target.dtype));
  columns.resize(static_cast<size_t>(n_panels * kPanel));
  return PackedMatrix(types, columns, n, k, target.threads);
}

PackedMatrix PackedMatrix::Interleave(const MatrixRows& gate, const MatrixRows& up, int64_t k,
                                      const PackTarget& target) {
  QUARRY_CHECK(gate.n == up.n, "gate and up differ in size");
  std::vector<WeightType> types;
  std::vector<Row> columns;
  for (int64_t begin = 0; begin < gate.n; begin += kPanel) {
    for (const MatrixRows* part : {&gate, &up}) {
      types.push_back(HeldAs(*part, k, target));
      for (int64_t i = begin; i < begin + kPanel; ++i) {
        columns.push_back(i < part->n ? Row{part->data + i * RowBytes(part->type, k), part->type}
                                      : Row{});
      }
    }
  }
  return PackedMatrix(types, columns, 2 * gate.n, k, target.threads);
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
