// TOVA (Oren et al., arXiv:2401.06104): while decoding, a layer keeps as many tokens as fit its
// cache: those that the last query attended to most, over all heads; the others are dropped for
// good. There is no window and no sink: the query's own token competes as well.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

// Its states are EvictionStates with one unit; a token's score is the probability that the last
// query gave it, summed over the query heads.
std::unique_ptr<const AttentionMethod> MakeTova(const TovaConfig& config);

}  // namespace quarry
