// The offline pattern search's measure (MInference's search by recall): how much of each query
// head's true attention lies under a candidate pattern, on one prompt.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/pattern_table.h"

#include "attention/estimate.h"

namespace quarry {

struct PatternCandidate {
  HeadPatternType type = HeadPatternType::kVerticalSlash;
  int64_t first = 0;
  int64_t second = 0;
};

// The original's candidates, in its order: a later one wins only if it is strictly better.
std::span<const PatternCandidate> RecallCandidates();

// [heads][candidates]: the mean, over the queries from `first_row` on, of the probability that the
// candidate's keys receive. Keys of a candidate, always causal:
//   a-shape (a, b)         j < a or distance <= b
//   vertical-slash (a, b)  the a columns and b distances of most mass in the last 64 queries, of
//                          which the first 30 columns and the 30 nearest distances in any case
//   block-sparse (a, b)    in each row block of 32, the floor(blocks / a) key blocks of 32 with the
//                          best product of means
// REQUIRES: in is a call that holds the whole prompt; first_row < in.call_end.
std::vector<std::vector<double>> PatternRecall(const PlanInput& in,
                                               std::span<const PatternCandidate> candidates,
                                               TokenPos first_row, ExecContext& ctx);

// What the original writes for a head whose candidates have these recalls: the best one, an A-shape
// as vertical-slash of the same sizes and block-sparse as (1000, 6096), unless `keep_patterns`.
HeadPattern ChooseByRecall(std::span<const PatternCandidate> candidates,
                           std::span<const double> recall, bool keep_patterns);

}  // namespace quarry
