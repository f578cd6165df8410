// MInference prefill (Jiang et al., arXiv:2407.02490): every query head follows its own pattern -
// vertical lines and slashes, blocks, or an A-shape - whose indices are estimated from the queries
// of the call at hand. The authors' code is the reference; docs/methods/minference.md has the
// differences. Decoding is dense.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "attention/method.h"
#include "attention/methods/vertical_slash.h"

namespace quarry {

// What one query head attends to during one call.
struct HeadSelection {
  enum class Kind { kDense, kAShape, kVerticalSlash, kBlocks };

  Kind kind = Kind::kDense;
  int64_t n_init = 0, n_local = 0;  // kAShape
  LineMass mass;                    // kVerticalSlash: what the lines were chosen by, if observed
  Lines lines;
  // kBlocks: key blocks of 64, ascending, of row block i from block_ptr[i] to block_ptr[i + 1]. Row
  // block 0 is that of the call's first row.
  std::vector<int32_t> blocks;
  std::vector<size_t> block_ptr;
};

std::unique_ptr<const AttentionMethod> MakeMInference(const MInferenceConfig& config);

// For tests: told what was selected, at the start of every call that is not dense.
class MInferenceObserver {
 public:
  virtual ~MInferenceObserver() = default;
  virtual void OnSelection(const PlanInput& in, std::span<const HeadSelection> heads) = 0;
};
// REQUIRES: `state` is a minference method's; `observer` outlives it or is reset. Null: none.
void SetMInferenceObserver(MethodState& state, MInferenceObserver* observer);

// Blocks of 64 keys for each block of 64 rows of the call, by the product of mean queries and keys
// (block-sparse heads): the `top_k` best for every row block, none forced. One entry a query head,
// of kind kBlocks.
std::vector<HeadSelection> SelectBlocks(const PlanInput& in, int64_t top_k,
                                        std::span<const int> heads, ExecContext& ctx);

}  // namespace quarry
