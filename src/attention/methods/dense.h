// Dense causal attention: every query attends to every token up to itself.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeDense(const DenseConfig& config);

// Dense causal attention of some heads, all rows of the block.
void PlanDense(const PlanInput& in, IndexRange heads, AttentionPlan& plan);
// The same of some rows.
void PlanDenseRows(const PlanInput& in, IndexRange heads, IndexRange rows, AttentionPlan& plan);

}  // namespace quarry
