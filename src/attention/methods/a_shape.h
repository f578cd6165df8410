// A-shape and tri-shape prefill (MInference, arXiv:2407.02490, section 3; TriangleMix): the first
// n_init tokens, a band of n_local, and in tri-shape every token for the prompt's last rows. Keys
// stay where they are: this is a mask, not a cache that forgets. Decoding is dense.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeAShape(const AShapeConfig& config);
std::unique_ptr<const AttentionMethod> MakeTriShape(const TriShapeConfig& config);

// The A-shape of some heads and rows of the block: the query at p sees t iff 0 <= p - t < n_local
// or t < n_init. REQUIRES: n_local >= 1; rows are not empty.
void PlanAShape(const PlanInput& in, IndexRange heads, IndexRange rows, int64_t n_init,
                int64_t n_local, AttentionPlan& plan);

}  // namespace quarry
