// Dense attention that measures, on its way, which pattern suits each head: the search behind
// quarry/pattern_search.h. Deeper layers thus see exact activations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "quarry/pattern_search.h"
#include "quarry/pattern_table.h"

#include "attention/method.h"
#include "attention/pattern_recall.h"

namespace quarry {

struct HeadSearchOptions {
  SearchObjective objective = SearchObjective::kRecall;
  bool keep_patterns = false;
  int first_layer = 0;  // layers below are not searched
  // Called once a searched layer, in order, from the thread of the forward pass.
  std::function<void(int layer, std::map<int, HeadPattern> heads)> on_layer;
};

// A prompt must be one call.
std::unique_ptr<const AttentionMethod> MakePatternSearch(const HeadSearchOptions& options);

// The original's candidates for SearchObjective::kOutput, in its order.
std::span<const PatternCandidate> OutputCandidates();

// [heads][candidates]: elements of the head's output over the whole call that are off by more than
// 5e-3 from dense attention. Block-sparse candidates take 100 blocks.
// REQUIRES: `in` is a whole call.
std::vector<std::vector<int64_t>> OutputDeviations(const PlanInput& in,
                                                   std::span<const PatternCandidate> candidates,
                                                   ExecContext& ctx);

}  // namespace quarry
