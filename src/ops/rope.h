// Rotary position embedding (Su et al., arXiv:2104.09864) with the scalings in use.
//
// A pair (a, b) of channels at position p turns by p * frequency: (a cos - b sin, b cos + a sin),
// times `magnitude` (1 except for YaRN and LongRoPE).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"

namespace quarry {

class Rope {
 public:
  // frequencies: angle per unit of position of each pair, [rotated_dims / 2].
  Rope(std::vector<double> frequencies, double magnitude, int head_dim);

  int head_dim() const { return head_dim_; }
  // Pairs that rotate; channels from 2 * pairs() on pass unchanged.
  int pairs() const { return static_cast<int>(frequencies_.size()); }
  double magnitude() const { return magnitude_; }
  const std::vector<double>& frequencies() const { return frequencies_; }

  // magnitude * cos and magnitude * sin of positions first, first + 1, ...: [n][pairs()] each.
  // Angles are computed and reduced in double: positions reach millions.
  void Angles(int64_t first, int64_t n, float* cos, float* sin) const;

  // out = x rotated by the angles of one position. out may be x.
  void Rotate(const kernels::KernelTable& kernels, const float* x, const float* cos,
              const float* sin, float* out) const;

  // The same for a query that meets keys that are not rotated. Such a key stands at position 0,
  // where rotation is its magnitude alone. That belongs to the channels that rotate, not to the
  // others, so that the query takes it over.
  void RotateForRawKeys(const kernels::KernelTable& kernels, const float* x, const float* cos,
                        const float* sin, float* out) const;

 private:
  std::vector<double> frequencies_;
  double magnitude_;
  int head_dim_;
};

}  // namespace quarry
