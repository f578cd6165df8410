// Selections by score in linear time: no score list is ever sorted whole.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quarry {

// The k largest scores' indices, ascending; all of them if k >= scores.size(). Equal scores: the
// lower index first. NaN ranks lowest. Replaces `out`.
void TopIndices(std::span<const float> scores, int64_t k, std::vector<int32_t>& out);

// The longest run of the scores in descending order whose sum stays at or below `limit`.
struct Prefix {
  int64_t count = 0;
  double sum = 0;    // of the run
  float border = 0;  // the first score that is not of the run; -inf if all are
};
// REQUIRES: scores are at least 0 and no NaN. Sums are in double.
Prefix LargestWithin(std::span<const float> scores, double limit);

// How many of the largest scores it takes for their sum to reach `target`; all of them if they do
// not.
int64_t CountToReach(std::span<const float> scores, double target);

}  // namespace quarry
