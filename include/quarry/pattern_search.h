// The offline pattern search of MInference (Jiang et al., arXiv:2407.02490, section 3.2): which
// pattern suits each head of a model, measured on one generated prompt. What it writes is what
// MInferenceConfig::pattern_file reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "quarry/pattern_table.h"
#include "quarry/status.h"
#include "quarry/types.h"

namespace quarry {

enum class SearchObjective {
  kRecall,  // share of the true attention under the pattern, highest wins
  kOutput,  // elements of the head's output that are off by more than 5e-3, fewest win
};

struct PatternSearchProgress {
  int64_t layers_done = 0;  // those of an earlier, unfinished search included
  int64_t layers = 0;
  double seconds = 0;
};

struct PatternSearchOptions {
  std::string model = {};  // folder or GGUF file, as EngineOptions has it
  // Written anew after every layer. If it holds the first layers of this model already, the search
  // goes on behind them, with the same options; if it holds all, that is an error. Until then a
  // file OUTPUT.search notes what the search is of.
  std::string output = {};
  // Length of the prompt; 0: 29920 as in the original, or what the model was trained for.
  int64_t tokens = 0;
  SearchObjective objective = SearchObjective::kRecall;
  // By recall the original writes every winner as vertical-slash; this keeps it as it is.
  bool keep_patterns = false;
  uint64_t seed = 0;  // of the prompt
  int threads = 0;    // 0: as many as the machine has
  LogSink log = {};
  std::function<void(const PatternSearchProgress&)> on_progress = {};  // after each layer
  const std::atomic<bool>* cancel = nullptr;                           // looked at between layers
};

// The whole table, as written. A search that is cancelled leaves the layers it finished.
Result<PatternTable> SearchPatterns(const PatternSearchOptions& options);

// The prompt: a JSON object of random keys and values, `records` of them, and the question for the
// value of one.
std::string KeyValuePrompt(uint64_t seed, int64_t records);

}  // namespace quarry
