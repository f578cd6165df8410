// One forward call of one attention layer: new keys and values into the store, then execution block
// by execution block: plan, execute, observe.
#pragma once

#include "attention/coverage.h"
#include "attention/execute.h"
#include "attention/kv_rows.h"
#include "attention/method.h"
#include "attention/plan.h"

namespace quarry {

// Pairs of a query (of one head) and a key.
struct PairCounts {
  int64_t attended = 0;
  int64_t causal = 0;  // with every earlier token, whatever windows the model has

  // Share of the causal pairs; 1 if there are none.
  double Density() const {
    return causal == 0 ? 1.0 : static_cast<double>(attended) / static_cast<double>(causal);
  }
};

// Working memory that calls reuse; one per thread of control.
struct LayerWork {
  AttentionPlan plan;
  AttentionExecutor executor;
  CoverageMeter coverage;
};

struct LayerCall {
  int layer = 0;
  Phase phase = Phase::kPrefill;
  TokenPos begin = 0;  // tokens [begin, begin + n)
  int n = 0;
  const ModelShape* shape = nullptr;
  DType kv_dtype = DType::kBF16;
  const Rope* rope = nullptr;
  const float* cos = nullptr;  // [n][rope->pairs()], angles of these positions
  const float* sin = nullptr;
  const float* q = nullptr;  // [n][q_stride], heads * head_dim used; none of the three is rotated
  const float* k = nullptr;  // [n][kv_stride], kv_heads * head_dim used
  const float* v = nullptr;
  int64_t q_stride = 0;
  int64_t kv_stride = 0;
  float* out = nullptr;  // [n][out_stride], heads * head_dim written
  int64_t out_stride = 0;
  RequestHints hints;
  CoverageSums* coverage = nullptr;  // measure it, and add it here
};

// A method that does not attend this call but will attend later ones.
struct Follower {
  const AttentionMethod* method = nullptr;  // null: there is none
  MethodState* state = nullptr;
};

// REQUIRES: tokens [begin, begin + n) are reserved in kv, and kv.size() == begin.
PairCounts AttendLayer(const AttentionMethod& method, MethodState& state, const LayerCall& call,
                       KvStore& kv, LayerWork& work, ExecContext& ctx, Follower follower = {});

}  // namespace quarry
