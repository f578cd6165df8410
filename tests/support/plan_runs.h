// Attention plans run over a filled store, and what they mean according to float64.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attention/execute.h"
#include "tests/support/attention_bounds.h"
#include "tests/support/layer_inputs.h"

namespace quarry {

// How positions turn; `rotated` channels of a head, all of them if 0.
struct RotationSpec {
  int rotated = 0;
  double magnitude = 1;
  double base = 10000;
};

// One layer whose store holds every token of `in`, in all three planes.
class PlanRunner {
 public:
  PlanRunner(const LayerInputs& in, DType dtype, const kernels::KernelTable& kernels,
             int threads = 2, const RotationSpec& rotation = {});

  // Rows are the queries of tokens first, first + 1, ... Returns [rows][heads * dim].
  std::vector<float> Run(const AttentionPlan& plan, TokenPos first, int rows);
  // Of the last run.
  const KeyScores& scores() const { return executor_.scores(); }

  // Every row and head attends what the plan says: the same shape, in float64.
  std::vector<double> Expected(const AttentionPlan& plan, TokenPos first, int rows) const;
  // What scores() should say of a segment and head.
  std::vector<double> ExpectedScores(const AttentionPlan& plan, size_t segment, int head,
                                     TokenPos first, int rows) const;
  // For rows that attend at most `keys` keys.
  AttentionBounds Bounds(int64_t keys) const;

 private:
  reference::Attention Row(const AttentionPlan& plan, TokenPos first, int row, int head,
                           size_t segment, std::vector<int64_t>* key_index) const;

  LayerInputs in_;
  DType dtype_;
  RotationSpec spec_;
  reference::Rotation rotation_;
  reference::Rows k_, v_;
  Rope rope_;
  KvStore kv_;
  ExecContext ctx_;
  AttentionExecutor executor_;
};

// A random plan for rows at [first, first + rows): one to four segments that cover some heads and
// rows, see spans and columns of the stored tokens through some mask, at some position.
AttentionPlan RandomPlan(Rng& rng, const ModelShape& shape, TokenPos first, int rows, int tokens);

// Keys that the row with most of them attends, over all heads.
int64_t MostKeys(const AttentionPlan& plan, const ModelShape& shape, TokenPos first, int rows);

}  // namespace quarry
