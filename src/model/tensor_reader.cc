#include "model/tensor_reader.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tensor/quantize.h"

namespace quarry {

WeightView TensorReader::Tensor(const std::string& name, const std::vector<int64_t>& shape) {
  if (!status_.ok()) return {};
  if (!source_.Contains(name)) {
    status_ = CorruptData(fmt::format("tensor {} is missing, {} needs it with shape [{}]", name,
                                      architecture_, fmt::join(shape, ", ")));
    return {};
  }
  Result<WeightView> found = source_.Find(name);
  if (!found.ok()) {
    status_ = found.status();
    return {};
  }
  if (!std::equal(found->shape.begin(), found->shape.end(), shape.begin(), shape.end())) {
    status_ = CorruptData(fmt::format(
        "tensor {} has shape [{}], the configuration implies [{}]", name,
        fmt::join(found->shape.begin(), found->shape.end(), ", "), fmt::join(shape, ", ")));
    return {};
  }
  return *found;
}

MatrixRows TensorReader::Rows(const std::string& name, int64_t n, int64_t k) {
  const WeightView t = Tensor(name, {n, k});
  return {t.data.data(), t.type, status_.ok() ? n : 0};
}

std::vector<float> TensorReader::Vector(const std::string& name, int64_t n) {
  if (name.empty()) return {};
  const WeightView t = Tensor(name, {n});
  if (!status_.ok()) return {};
  std::vector<float> out(static_cast<size_t>(n));
  if (n % BlockOf(t.type).values == 0) DequantizeRow(t.type, t.data.data(), n, out.data());
  return out;
}

MatrixRows SliceRows(const MatrixRows& rows, int64_t begin, int64_t n, int64_t k) {
  return {rows.data + begin * RowBytes(rows.type, k), rows.type, n};
}

}  // namespace quarry
