// Random test data from a fixed seed.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace quarry {

// Uniform in [-scale, scale).
inline std::vector<float> RandomFloats(Rng& rng, size_t n, double scale = 1.0) {
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>((2 * rng.Uniform() - 1) * scale);
  return out;
}

}  // namespace quarry
