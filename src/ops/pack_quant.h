// Rearranges rows of GGUF blocks into the strips of kernels/quant_panel.h.
#pragma once

#include <cstdint>

#include "kernels/quant_panel.h"

namespace quarry {

// Puts a row of k values at `row` (RowBytes(type, k) bytes, any alignment) into place `slot` (0 to
// 15) of a strip whose bytes start out as zero.
void PackQuantRow(WeightType type, const std::byte* row, int64_t k, int slot, std::byte* strip);

}  // namespace quarry
