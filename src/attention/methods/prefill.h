// What the methods that are sparse in prefill only have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "attention/method.h"

namespace quarry {

// Why a model cannot be run with the layers below `starting_layer` dense; empty if it can.
std::vector<std::string> CheckStartingLayer(int64_t starting_layer, const ModelShape& shape);

// Blocks of keys that one head attends in each of the call's row blocks: those of row block r are
// blocks[ptr[r]] to blocks[ptr[r + 1]], numbered from token 0; row block 0 has the call's first
// row.
struct BlockRows {
  std::span<const size_t> ptr;
  std::span<const int32_t> blocks;
};
void PlanBlockRows(const PlanInput& in, int head, int64_t block_size, const BlockRows& rows,
                   AttentionPlan& plan);

// Rows that are planned and attended at once: enough to keep many cores busy, few enough that
// selections of a long prompt are not all expanded together.
inline constexpr int64_t kPrefillExecRows = 8192;

}  // namespace quarry
