// Reads a model's tensors, each with the shape that the configuration implies.
#pragma once

#include <string>
#include <vector>

#include "quarry/status.h"

#include "format/weight_view.h"
#include "ops/packed_matrix.h"

namespace quarry {

// The first error sticks, and later calls return nothing: callers look at status() once.
class TensorReader {
 public:
  // `architecture` is for messages. The source outlives the reader and what it returned.
  TensorReader(const TensorSource& source, std::string architecture)
      : source_(source), architecture_(std::move(architecture)) {}

  const Status& status() const { return status_; }
  bool Contains(const std::string& name) const { return source_.Contains(name); }

  WeightView Tensor(const std::string& name, const std::vector<int64_t>& shape);
  // A matrix [n, k]; without rows after an error.
  MatrixRows Rows(const std::string& name, int64_t n, int64_t k);
  // [n] as f32. An empty name gives an empty vector.
  std::vector<float> Vector(const std::string& name, int64_t n);

 private:
  const TensorSource& source_;
  std::string architecture_;
  Status status_;
};

// Rows [begin, begin + n) of a matrix with k columns.
MatrixRows SliceRows(const MatrixRows& rows, int64_t begin, int64_t n, int64_t k);

}  // namespace quarry
