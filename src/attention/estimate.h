// What prefill methods estimate a selection from: the exact attention of a few query rows, summed
// along columns (keys) and along distances, and the sums of blocks of keys and queries.
//
// All of it is in f32 over keys as stored; sums have a fixed order, whatever the number of threads.
#pragma once

#include <span>
#include <vector>

#include "quarry/types.h"

#include "attention/method.h"
#include "ops/exec_context.h"

namespace quarry {

// Queries of tokens [tokens.begin, tokens.end), rotated at their own positions: [heads][n][dim].
// REQUIRES: the tokens are of the call.
std::vector<float> RotatedQueries(const PlanInput& in, TokenRange tokens, ExecContext& ctx);

// Probability mass under causal softmax attention of some queries over every key up to their own,
// or those of them that the layer's sliding window leaves.
struct LineMass {
  std::vector<float> column;    // [keys]: of key j, summed over the queries
  std::vector<float> distance;  // [keys]: at distance d = query - key, summed over the queries
};

// One entry a query head. q: RotatedQueries(in, tokens); keys are those below tokens.end. Scores
// are scaled by 1 / sqrt(head_dim). Two passes over the keys and memory of O(heads * keys): what
// the queries' scores would take is never held.
std::vector<LineMass> ComputeLineMass(const PlanInput& in, TokenRange tokens,
                                      std::span<const float> q, ExecContext& ctx);

// Sums of the keys of tokens [c * block, (c + 1) * block), up to `end`: [kv_heads][blocks][dim].
// REQUIRES: `block` is a multiple of 16.
std::vector<float> SumKeyBlocks(const PlanInput& in, int64_t block, TokenPos end, ExecContext& ctx);

// Sums of the rotated queries of the call's tokens in [origin + c * block, origin + (c + 1) *
// block), c = 0, 1, ...: [heads][blocks][dim]. REQUIRES: origin <= in.call_begin.
std::vector<float> SumQueryBlocks(const PlanInput& in, TokenPos origin, int64_t block,
                                  ExecContext& ctx);

}  // namespace quarry
