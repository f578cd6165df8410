// target_coverage: how many blocks of a ranked past a query needs for a given share of the
// attention that it would give to all of its past.
//
// Ranking says which block comes next, not what it is worth: Quest's bounds are far above the
// scores they bound. So masses are measured where it matters and sampled elsewhere. For a query q,
// a set of keys has the mass sum exp(q . k / sqrt(head_dim)). Measured exactly are the keys that
// are attended anyway and the blocks of the least budget. Ranks behind it are cut where their
// number doubles; of each of these strata 32 blocks, spread evenly over the text, stand for equal
// parts of it. The estimated share of the best c blocks is
//   (mass of what is attended anyway and of the c best) / (mass of everything)
// averaged over the query heads that share a selection and over up to eight rows of the execution
// block. The answer is the smallest c whose share reaches the target. Measuring reads keys only:
// those of the least budget and of at most 32 log2(n / least) blocks more.
//
// The result depends on the plan's input alone: nothing is drawn at random.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "attention/method.h"

namespace quarry {

// In blocks. REQUIRES: least <= most.
struct GrowthLimits {
  double target = 0;
  int64_t least = 0;
  int64_t most = 0;
};

// Tokens that a budget may grow to: max_budget, or 8 times the least.
int64_t MostTokens(const std::optional<int64_t>& max_budget, int64_t least);

// The past of one execution block as its method divides it. Far keys lie under blocks and
// `far_kept`.
struct RankedPast {
  TokenRange blocks;       // block j: its tokens [j * block_size, (j + 1) * block_size)
  int64_t block_size = 0;  // the last block may be cut
  std::span<const TokenRange> far_kept;  // attended whatever is chosen
  // Above 0: a row attends its last so many keys, itself included, at true distances, and sees far
  // keys raw, all at distance window - 1. 0: there is no window, and far keys are at true
  // distances.
  int64_t window = 0;
};

// counts[u]: blocks that unit u takes, between limits.least and limits.most; units are equal runs
// of query heads. scores: [units][stride], block j of the past at j; a higher score ranks first, of
// equal ones the earlier block.
void GrowBudgets(const PlanInput& in, const RankedPast& past, const GrowthLimits& limits,
                 const float* scores, int64_t stride, ExecContext& ctx, std::span<int64_t> counts);

}  // namespace quarry
