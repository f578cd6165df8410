// Quantised blocks in float64, element by element as the format's description has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "tensor/weight_type.h"

namespace quarry::reference {

// Value e of a row of blocks.
double QuantizedValue(WeightType type, const std::byte* row, int64_t e);

// n values as blocks with random codes and scales, all finite, of magnitude about 1.
std::vector<std::byte> RandomRow(WeightType type, int64_t n, Rng& rng);

}  // namespace quarry::reference
