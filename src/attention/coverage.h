// How much of the true attention a plan kept: for sampled queries, the softmax mass of the keys
// that were attended among all keys that the method could have attended.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/execute.h"
#include "attention/method.h"
#include "attention/plan.h"

namespace quarry {

// Sums over sampled (query, head) pairs.
struct CoverageSums {
  double mass = 0;
  int64_t pairs = 0;

  void Add(const CoverageSums& other) {
    mass += other.mass;
    pairs += other.pairs;
  }
};

// Working memory that calls reuse.
class CoverageMeter {
 public:
  // One query in so many of a prompt is measured, and every one of an answer: measuring costs what
  // dense attention of that query costs.
  static constexpr int64_t kPromptStride = 256;

  // Where Execute puts the log-sums of an execution block: [rows][heads].
  float* LogSums(int rows, int heads);
  // Measures the sampled rows of the block `in`, whose attention `attended` carried out. Nothing is
  // added for a method that drops keys.
  void Measure(const AttentionMethod& method, const PlanInput& in, const AttendInput& attended,
               ExecContext& ctx, CoverageSums& sums);

 private:
  std::vector<float> kept_;
  std::vector<float> all_;
  std::vector<float> out_;
  AttentionPlan plan_;
  AttentionExecutor executor_;
};

}  // namespace quarry
