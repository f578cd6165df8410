// H2O (Zhang et al., arXiv:2306.14048): while decoding, every KV head keeps the tokens that got
// the most attention so far and the latest ones, and drops the others for good.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

// Its states are EvictionStates, one unit a KV head; a token's score is the probability that all
// queries so far gave it, over the query heads of the KV head.
std::unique_ptr<const AttentionMethod> MakeH2o(const H2oConfig& config);

}  // namespace quarry
