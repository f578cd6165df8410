// A whole model, prompts of growing length, methods side by side: the end-to-end benchmark of
// MInference (Jiang et al., arXiv:2407.02490, the table of latencies), with decoding, memory and
// density besides.
//
// A prompt is the tokens of a text, over and over again, cut to the length. Prefill is timed from
// the first token to the logits of the last; decoding is greedy and does not end at an end token.
// Loading and tokenizing are outside. Answers are not looked at.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quarry/engine.h"

#include "bench/report.h"

namespace quarry::bench {

struct LatencyBenchMethod {
  std::string label;
  EngineOptions engine;
};

struct LatencyBenchOptions {
  std::vector<LatencyBenchMethod> methods;  // all of one model; at least one
  std::vector<int64_t> lengths;             // ascending
  int64_t new_tokens = 16;                  // decoding steps that are timed
  double max_seconds = 60;  // of one cell: a run that takes longer is stopped, and no longer length
                            // is tried with that method
  std::filesystem::path text;                // empty: the bundled novel, or generated prose
  std::vector<std::filesystem::path> roots;  // where the novel is looked for
};

// One method at one length.
struct LatencyCell {
  std::string method;
  int64_t length = 0;
  enum class Outcome { kMeasured, kTooSlow, kNoMemory } outcome = Outcome::kMeasured;
  int runs = 0;
  double prefill_s = 0;  // median
  double decode_ms = 0;  // of a token, median
  uint64_t peak_rss_bytes = 0;
  uint64_t kv_bytes = 0;
  double density = 1;
  double prefill_peak_share =
      0;  // of the machine's f32 FLOP/s, counting what the model must compute
};

// Lengths as rows and methods as columns, a table a quantity; "> 60" where a cell was stopped, "-"
// where none was tried. The cells themselves as records, and two charts.
// REQUIRES: `lengths` and `methods` are those of the cells.
void AddLatencyTables(const std::vector<LatencyCell>& cells,
                      const std::vector<std::string>& methods, const std::vector<int64_t>& lengths,
                      double max_seconds, BenchReport& report);

Result<BenchReport> RunLatencyBench(const LatencyBenchOptions& options,
                                    const BenchControl& control);

}  // namespace quarry::bench
