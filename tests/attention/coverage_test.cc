#include "attention/coverage.h"

#include <cmath>

#include <gtest/gtest.h>

#include "attention/layer.h"
#include "tests/support/layer_inputs.h"

namespace quarry {
namespace {

constexpr ModelShape kShape = {1, 4, 2, 32};

CoverageSums Measure(const AttentionConfig& config, const LayerInputs& in, int prompt) {
  OneLayer layer(config, kShape, DType::kF32);
  layer.measure_coverage = true;
  Feed(layer, in, std::vector<int>{prompt}, {}, Phase::kPrefill);
  const std::vector<int> answer(static_cast<size_t>(in.tokens - prompt), 1);
  Feed(layer, in, answer, {}, Phase::kDecode);
  return layer.coverage();
}

TEST(Coverage, DenseCoversEverything) {
  Rng rng(1);
  const LayerInputs in = RandomInputs(rng, kShape, 600);
  const CoverageSums c = Measure(DenseConfig{}, in, 590);
  EXPECT_EQ(c.pairs, (2 + 10) * kShape.heads);  // rows 255 and 511, and the answer's ten
  EXPECT_NEAR(c.mass / static_cast<double>(c.pairs), 1, 1e-6);
}

TEST(Coverage, OfAMethodThatDropsKeysIsUnknown) {
  Rng rng(2);
  const LayerInputs in = RandomInputs(rng, kShape, 300);
  EXPECT_EQ(Measure(StreamLlmConfig{.n_init = 4, .n_local = 32}, in, 290).pairs, 0);
}

// One decoding step of Quest with two pages: what float64 says of the same keys.
TEST(Coverage, IsTheMassOfTheAttendedKeys) {
  Rng rng(3);
  const LayerInputs in = RandomInputs(rng, kShape, 200, 0.4);
  QuestConfig config;
  config.page_size = 16;
  config.token_budget = 32;
  config.dense_layers = 0;
  OneLayer layer(config, kShape, DType::kF32);
  layer.measure_coverage = true;
  Feed(layer, in, std::vector<int>{199}, {}, Phase::kPrefill);
  ASSERT_EQ(layer.coverage().pairs, 0);  // no row was sampled
  Feed(layer, in, std::vector<int>{1}, {}, Phase::kDecode);

  double want = 0;
  for (const Segment& s : layer.last_plan().segments()) {
    for (int h = s.heads.begin; h < s.heads.end; ++h) {
      const auto score = [&](int64_t t) {
        const float* q = in.q.data() + 199 * in.q_width() + h * kShape.head_dim;
        const float* k = in.k.data() + t * in.kv_width() + h / kShape.group() * kShape.head_dim;
        double sum = 0;
        for (int p = 0; p < kShape.head_dim / 2; ++p) {
          const double angle =
              static_cast<double>(199 - t) * std::pow(10000.0, -2.0 * p / kShape.head_dim);
          const int b = p + kShape.head_dim / 2;
          sum += std::cos(angle) * (q[p] * k[p] + q[b] * k[b]) +
                 std::sin(angle) * (q[p] * k[b] - q[b] * k[p]);
        }
        return std::exp(sum / std::sqrt(static_cast<double>(kShape.head_dim)));
      };
      double all = 0, kept = 0;
      for (int64_t t = 0; t < 200; ++t) all += score(t);
      for (const TokenRange& span : layer.last_plan().spans(s)) {
        for (TokenPos t = span.begin; t < span.end; ++t) kept += score(t);
      }
      want += kept / all;
    }
  }
  const CoverageSums c = layer.coverage();
  EXPECT_EQ(c.pairs, kShape.heads);
  EXPECT_LT(want, 0.99 * kShape.heads);
  EXPECT_NEAR(c.mass, want, 1e-4);
}

}  // namespace
}  // namespace quarry
