// One layer of one method, fed with LayerData: read to a depth, then timed there.
#pragma once

#include <memory>
#include <vector>

#include "attention/kv_rows.h"
#include "attention/layer.h"
#include "bench/layer_data.h"
#include "bench/report.h"
#include "bench/timed_method.h"
#include "bench/timing.h"

namespace quarry::bench {

// The timed part of a text of `data.tokens` tokens is its last `calls` * `rows` tokens, in `calls`
// forward calls; what comes before is only read.
struct LayerTask {
  Phase phase = Phase::kPrefill;
  int64_t rows = 1;
  int64_t calls = 1;
  DType kv_dtype = DType::kF16;
};

struct LayerResult {
  Timing total;                // seconds of a call
  double plan_s = 0;           // of a call, in the run of median time
  PairCounts pairs;            // of all calls
  std::vector<float> outputs;  // [calls * rows][q_width]
};

// Every run starts from the same past (a fork), so that all do the same work. A report that was
// stopped while the past was read has no runs: total.runs is 0. Fails if memory does not suffice or
// the method does not fit the layer.
// REQUIRES: Validate(config) is ok; calls * rows <= data.tokens.
Result<LayerResult> RunLayer(const AttentionConfig& config, const LayerData& data,
                             const LayerTask& task, double budget_s, ExecContext& ctx,
                             const BenchControl& control);

}  // namespace quarry::bench
