// One attention layer at depth, every method beside dense attention of the same run.
//
// At each length N, after everything before it has been read,
//   prefill   the last `rows` tokens as one call, all if there are no more: dense attention over a
//   whole prompt costs N^2, and
//             its last rows show what the method does at that depth
//   decode    the last 32 tokens, one at a time
// Rows have milliseconds, speed-up over dense, density, ideal speed-up (1 / density) and the share
// of it that is reached, what selection costs alone, the output's error against dense without
// `fast` (relative L2 over the timed rows), and the share of the machine's peak: of the FLOPs
// of the arithmetic in use for prefill, of reading keys and values once per KV head for decode.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quarry/attention_setup.h"

#include "bench/layer_data.h"
#include "bench/report.h"

namespace quarry::bench {

struct AttentionBenchMethod {
  std::string label;
  PhaseMethods methods;
};

struct AttentionBenchOptions {
  // Dense attention is measured in any case. A method's phase that is dense is left out.
  std::vector<AttentionBenchMethod> methods = {};
  std::vector<int64_t> lengths = {};
  bool prefill = true;
  bool decode = true;
  int64_t rows = 8192;              // of prefill; all of a shorter length
  StructuredShape structured = {};  // used where there is no recording
  std::optional<RecordedLayer> recorded = {};
  DType kv_dtype = DType::kF16;
  bool fast = false;       // round to bf16 where that is faster (EngineOptions::fast_products)
  int threads = 0;         // 0: all cores
  double budget_s = 20.0;  // of the runs of one row; five where they fit
};

// Refuses by name. Layers that a method leaves dense are not what is measured: dense_layers and
// starting_layer are taken as 0.
Result<BenchReport> RunAttentionBench(const AttentionBenchOptions& options,
                                      const BenchControl& control);

}  // namespace quarry::bench
