// How the next token is picked.
#pragma once

#include <cstdint>

#include "quarry/status.h"

namespace quarry {

// Applied in this order: repetition penalty, temperature, top-k, top-p, min-p, draw. The defaults
// pick the most likely token.
struct SamplingOptions {
  // 0: always the most likely token (greedy); otherwise logits are divided by it. [0, 100]
  double temperature = 0;
  // Only the k most likely tokens; 0: all.
  int64_t top_k = 0;
  // Only the most likely tokens that together reach this probability. (0, 1], 1: all
  double top_p = 1;
  // Only tokens at least this fraction as likely as the most likely. [0, 1], 0: all
  double min_p = 0;
  // Logits of tokens that occurred, in the prompt or the answer, are divided by it if positive and
  // multiplied if negative (Keskar et al., arXiv:1909.05858). (0, 100], 1: none
  double repetition_penalty = 1;
  // The same seed gives the same draws, whatever else runs.
  uint64_t seed = 0;

  Status Validate() const;
};

}  // namespace quarry
