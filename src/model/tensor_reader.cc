#include "model/tensor_reader.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tensor/dtype.h"

namespace quarry {

TensorView TensorReader::Tensor(const std::string& name, const std::vector<int64_t>& shape) {
  if (!status_.ok()) return {};
  if (!checkpoint_.Contains(name)) {
    status_ = CorruptData(fmt::format("tensor {} is missing, {} needs it with shape [{}]", name,
                                      architecture_, fmt::join(shape, ", ")));
    return {};
  }
  Result<TensorView> found = checkpoint_.Find(name);
  if (!found.ok()) {
    status_ = found.status();
    return {};
  }
  if (!std::equal(found->shape.begin(), found->shape.end(), shape.begin(), shape.end())) {
    status_ = CorruptData(fmt::format("tensor {} has shape [{}], config.json implies [{}]", name,
                                      fmt::join(found->shape.begin(), found->shape.end(), ", "),
                                      fmt::join(shape, ", ")));
    return {};
  }
  return *found;
}

MatrixRows TensorReader::Rows(const std::string& name, int64_t n, int64_t k) {
  const TensorView t = Tensor(name, {n, k});
  return {t.data.data(), t.dtype, status_.ok() ? n : 0};
}

std::vector<float> TensorReader::Vector(const std::string& name, int64_t n) {
  if (name.empty()) return {};
  const TensorView t = Tensor(name, {n});
  if (!status_.ok()) return {};
  std::vector<float> out(static_cast<size_t>(n));
  for (size_t i = 0; i < out.size(); ++i) out[i] = LoadElement(t.dtype, t.data.data(), i);
  return out;
}

MatrixRows SliceRows(const MatrixRows& rows, int64_t begin, int64_t n, int64_t k) {
  return {rows.data + begin * k * static_cast<int64_t>(SizeOf(rows.dtype)), rows.dtype, n};
}

}  // namespace quarry
