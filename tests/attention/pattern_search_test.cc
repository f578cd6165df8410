// The pattern search in layers with a sliding window: what the window hides is not attention that a
// pattern could miss. (Against the authors' code: prefill_golden_test.cc.)

#include "attention/methods/pattern_search.h"

#include <gtest/gtest.h>

#include "attention/pattern_recall.h"
#include "tests/support/layer_inputs.h"
#include "tests/support/prefill_runs.h"

namespace quarry {
namespace {

TEST(PatternSearch, SeesOnlyTheWindow) {
  Rng rng(3);
  const ModelShape shape = {1, 2, 1, 32, {150}};
  const LayerInputs in = RandomInputs(rng, shape, 400);
  PrefilledLayer layer(DenseConfig{}, shape, DType::kF32, in.tokens, in.q, in.k, in.v);
  const PatternCandidate candidates[] = {{HeadPatternType::kAShape, 0, 150},
                                         {HeadPatternType::kAShape, 0, 75}};
  const auto recall = PatternRecall(layer.Input(), candidates, 200, layer.context());
  const auto deviations = OutputDeviations(layer.Input(), candidates, layer.context());
  for (size_t head = 0; head < 2; ++head) {
    EXPECT_NEAR(recall[head][0], 1, 1e-6);
    EXPECT_LT(recall[head][1], 0.9);
    EXPECT_EQ(deviations[head][0], 0);
    EXPECT_GT(deviations[head][1], 0);
  }
}

}  // namespace
}  // namespace quarry
