// The methods of all layers and phases of one model, and what they keep about one sequence.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quarry/attention_setup.h"

#include "attention/layer.h"
#include "attention/method.h"

namespace quarry {

// What one layer's methods keep about one sequence.
struct LayerState {
  std::unique_ptr<MethodState> prefill;
  std::unique_ptr<MethodState> decode;  // null: one method serves both phases

  LayerState Clone() const;
  // See MethodState::Truncate.
  TokenPos Truncate(TokenPos n);
  size_t size_bytes() const;
  void AddStats(MethodStats& stats) const;
};

class MethodSet {
 public:
  // REQUIRES: Validate(setup) is ok.
  MethodSet(const AttentionSetup& setup, int layers);
  // One method for all layers and both phases.
  MethodSet(std::shared_ptr<const AttentionMethod> method, int layers);

  const std::string& name() const { return name_; }
  // Of all methods together: planes hold what any of them reads.
  const MethodNeeds& needs() const { return needs_; }
  // Why this model cannot be run; empty if it can.
  std::vector<std::string> Unsupported(const ModelShape& shape) const;
  size_t StateBytes(const ModelShape& shape, DType kv_dtype, TokenPos tokens) const;

  LayerState NewState(const ModelShape& shape, DType kv_dtype, int layer) const;
  // One forward call of one layer, by the method of its phase.
  PairCounts Attend(const LayerCall& call, LayerState& state, KvStore& kv, LayerWork& work,
                    ExecContext& ctx) const;

 private:
  struct Methods {
    std::shared_ptr<const AttentionMethod> prefill;
    std::shared_ptr<const AttentionMethod> decode;  // the same object if it serves both
  };
  static Methods Make(const PhaseMethods& methods);

  std::string name_;
  MethodNeeds needs_;
  std::vector<Methods> kinds_;  // the general one first, then those of ranges
  std::vector<size_t> layers_;  // per layer: index into kinds_
  int64_t last_named_ = -1;     // by a range; the model may have fewer
};

}  // namespace quarry
