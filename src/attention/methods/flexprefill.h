// FlexPrefill (Lai et al., arXiv:2502.20766): block-sparse prefill whose pattern every query head
// chooses for each call - block columns and diagonals, or a pooled map of query and key blocks.
// Decoding is dense.
#pragma once

#include <memory>
#include <span>

#include "attention/method.h"
#include "attention/methods/flexprefill_select.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeFlexPrefill(const FlexPrefillConfig& config);

// For tests: told what was selected, at the start of every call that is not dense.
class FlexPrefillObserver {
 public:
  virtual ~FlexPrefillObserver() = default;
  virtual void OnSelection(const PlanInput& in, std::span<const FlexHead> heads) = 0;
};
// REQUIRES: `state` is a flexprefill method's; `observer` outlives it or is reset. Null: none.
void SetFlexPrefillObserver(MethodState& state, FlexPrefillObserver* observer);

}  // namespace quarry
