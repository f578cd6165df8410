// One text as a model remembers it: keys and values of all layers, and what the attention method
// keeps about them. Moves with its past through truncate and fork.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "attention/layer.h"
#include "attention/method_set.h"
#include "kv/kv_store.h"
#include "ops/rope.h"

namespace quarry {

struct SequenceOptions {
  DType kv_dtype = DType::kBF16;
  RequestHints hints;
  bool measure_coverage = false;  // see coverage()
};

class Sequence {
 public:
  // `methods` are shared with other sequences; see MakeRope for `rope`.
  Sequence(const ModelShape& shape, Rope rope, std::shared_ptr<const MethodSet> methods,
           const SequenceOptions& options);

  const ModelShape& shape() const { return shape_; }
  const MethodSet& methods() const { return *methods_; }
  TokenPos size() const { return kv_.size(); }

  // For the model's forward pass.

  // Makes room for n more tokens, which the methods of `phase` will attend.
  Status Begin(int64_t n, Phase phase) {
    phase_ = phase;
    return kv_.Reserve(n);
  }
  // Attention of one layer for tokens [size, size + n), with n as in Begin.
  struct LayerRows {
    int n = 0;
    const float* q = nullptr;  // see LayerCall
    const float* k = nullptr;
    const float* v = nullptr;
    int64_t q_stride = 0;
    int64_t kv_stride = 0;
    const float* cos = nullptr;
    const float* sin = nullptr;
    float* out = nullptr;
    int64_t out_stride = 0;
  };
  void Attend(int layer, const LayerRows& rows, ExecContext& ctx);
  // The tokens now belong to the sequence.
  void End(int64_t n);
  const Rope& rope() const { return rope_; }

  // Its past.

  // Goes back to the longest prefix of at most n tokens that can be restored exactly and returns
  // its length; the caller feeds what is missing again. 0 is always possible.
  Result<TokenPos> Truncate(TokenPos n, ExecContext& ctx);
  // A second sequence with the same past. Blocks are shared until one of the two writes to them.
  Sequence Fork() const;

  // What it cost.

  const PairCounts& pairs() const { return pairs_; }
  // Of sampled queries, if measured (see CoverageMeter).
  const CoverageSums& coverage() const { return coverage_; }
  MethodStats method_stats() const;
  // Keys, values and what the method keeps.
  size_t size_bytes() const;

 private:
  ModelShape shape_;
  Rope rope_;
  std::shared_ptr<const MethodSet> methods_;
  SequenceOptions options_;
  KvStore kv_;
  std::vector<LayerState> states_;  // per layer
  Phase phase_ = Phase::kPrefill;
  LayerWork work_;
  PairCounts pairs_;
  CoverageSums coverage_;
};

}  // namespace quarry
