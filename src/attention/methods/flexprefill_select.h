// FlexPrefill's selection for one query head (Lai et al., arXiv:2502.20766, algorithms 1 to 4): key
// blocks for every query block of a call, from the attention of the call's last queries and from
// pooled queries and keys. In FlexSelectionRule::kReference it is the authors' code to the letter;
// docs/methods/flexprefill.md names what kCoverage does otherwise. Symbols are the paper's.
//
// N keys make M = ceil(N / b) blocks; r tokens are in the last. Block offset s stands for distances
// 0 .. r - 1 (s = 0) or r + (s - 1) b .. r + s b - 1.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/attention_config.h"
#include "quarry/types.h"

#include "attention/estimate.h"
#include "kernels/kernel_table.h"

namespace quarry {

// What one head's selection is made from.
struct FlexInput {
  TokenRange call;   // its rows are selected for; keys are [0, call.end)
  int64_t rows = 0;  // representative queries: the call's last ones
  int head_dim = 0;
  int64_t window = 0;                    // the layer's sliding window; 0: none
  const LineMass* mass = nullptr;        // of the representative queries
  const float* query_mean = nullptr;     // [dim], of the representative queries
  const float* key_means = nullptr;      // [M][dim]
  const float* block_queries = nullptr;  // [row blocks][dim], means; the first holds call.begin
};

struct FlexHead {
  bool query_aware = false;
  double js = 0;  // square root of the Jensen-Shannon divergence; may be NaN in kReference
  std::vector<float> a_bar;  // [M], estimated share of every key block
  std::vector<float> a_hat;  // [M], true share: the score of block columns
  std::vector<float> slash;  // [M] by block offset: the score of block diagonals
  int64_t token_count_v = 0, token_count_s = 0;  // kReference: tokens that cover gamma
  int64_t n_v = 0, n_s = 0;                      // block columns and offsets taken
  // Key blocks of row block i, ascending: blocks[row_ptr[i]] to blocks[row_ptr[i + 1]]. Row block 0
  // holds call.begin. The first block and the row's own are always there.
  std::vector<int32_t> blocks;
  std::vector<size_t> row_ptr;
};

FlexHead SelectFlexHead(const FlexPrefillConfig& config, const FlexInput& in,
                        const kernels::KernelTable& kernels);

}  // namespace quarry
