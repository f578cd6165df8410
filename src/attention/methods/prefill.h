// What the methods that are sparse in prefill only have in common.
#pragma once

#include <string>
#include <vector>

#include "attention/method.h"

namespace quarry {

// Why a model cannot be run with the layers below `starting_layer` dense; empty if it can.
std::vector<std::string> CheckStartingLayer(int64_t starting_layer, const ModelShape& shape);

// Rows that are planned and attended at once: enough to keep many cores busy, few enough that
// selections of a long prompt are not all expanded together.
inline constexpr int64_t kPrefillExecRows = 8192;

}  // namespace quarry
