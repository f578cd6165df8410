// A tensor of weights as it lies in a file, and where tensors come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "tensor/weight_type.h"

namespace quarry {

// The elements of a tensor, valid as long as its file. No alignment is promised.
struct WeightView {
  WeightType type = WeightType::kF32;
  std::span<const int64_t> shape;   // outermost first
  std::span<const std::byte> data;  // RowBytes(type, shape.back()) for each row

  int64_t n_elements() const {
    int64_t n = 1;
    for (int64_t dim : shape) n *= dim;
    return n;
  }
};

// The tensors of a model, whatever container they are in. Reading is thread-safe.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // Sorted.
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool Contains(std::string_view tensor) const = 0;
  // Not found, or unsupported if Quarry does not compute with its type.
  virtual Result<WeightView> Find(std::string_view tensor) const = 0;
  // The tensors will not be read for a while: their memory may go until then.
  virtual void ReleasePages() const = 0;
};

}  // namespace quarry
