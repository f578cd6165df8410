// The executor: carries out an attention plan, whatever method wrote it.
//
// Every piece of attention yields a partial (m, d, o): largest score, sum of exp(score - m), and
// the same sum weighted with the values. Pieces over different keys merge by log-sum-exp, so a
// query's window, its retrieved blocks and its sinks share one softmax, and a long list of keys can
// be cut between threads. Where it is cut depends on the plan alone, so results do not depend on
// the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "attention/plan.h"
#include "kv/kv_store.h"
#include "ops/exec_context.h"
#include "ops/rope.h"
#include "tensor/model_shape.h"

namespace quarry {

// One execution block of one layer.
struct AttendInput {
  int layer = 0;
  const ModelShape* shape = nullptr;
  DType kv_dtype = DType::kBF16;
  const KvStore* kv = nullptr;
  const Rope* rope = nullptr;
  TokenPos first = 0;  // position of row 0
  int n_rows = 0;
  const float* q = nullptr;  // [n_rows][q_stride], heads * head_dim used; not rotated
  int64_t q_stride = 0;
  const float* cos = nullptr;  // [n_rows][rope->pairs()], angles of the rows' own positions
  const float* sin = nullptr;
  float* out = nullptr;  // [n_rows][out_stride], heads * head_dim written
  int64_t out_stride = 0;
  // If not null: [n_rows][heads], the log of the sum of exp(scaled score) over the keys that the
  // row attended; -inf if it saw none.
  float* log_sums = nullptr;
};

// Probability mass per key, summed over a segment's rows, under the joint softmax of all segments.
class KeyScores {
 public:
  // Scores of segment `segment` for query head `head`: one per key, in the segment's key order.
  // REQUIRES: the segment wanted scores, and covers the head.
  std::span<const float> Of(const AttentionPlan& plan, size_t segment, int head) const;

 private:
  friend class ExecuteStep;
  struct Entry {
    size_t offset = 0;  // of the first head's scores
    int64_t keys = 0;
  };
  std::vector<Entry> entries_;  // per segment
  std::vector<float> data_;
};

// Keeps its memory between calls: once warm, a step allocates nothing.
class AttentionExecutor {
 public:
  AttentionExecutor();
  AttentionExecutor(AttentionExecutor&&) noexcept;
  AttentionExecutor& operator=(AttentionExecutor&&) noexcept;
  ~AttentionExecutor();

  // Writes input.out; a row that sees no key gives zeros. Scores are those of the last call.
  void Execute(const AttentionPlan& plan, const AttendInput& input, ExecContext& ctx);
  const KeyScores& scores() const;

 private:
  struct Workspace;
  friend class ExecuteStep;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace quarry
