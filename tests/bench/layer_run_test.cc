#include "bench/layer_run.h"

#include <cmath>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/attention_bench.h"
#include "kernels/dispatch.h"
#include "tests/support/temp_dir.h"

namespace quarry::bench {
namespace {

using testing::HasSubstr;

// Softmax attention of the last row in float64, from the vectors as they are: positions of made-up
// heads do not rotate.
std::vector<double> LastRow(const LayerData& d) {
  std::vector<double> out(static_cast<size_t>(d.q_width()));
  const int dim = d.shape.head_dim;
  for (int h = 0; h < d.shape.heads; ++h) {
    const float* q = d.q.data() + (d.tokens - 1) * d.q_width() + h * dim;
    const int64_t at = int64_t{h / d.shape.group()} * dim;
    std::vector<double> score(static_cast<size_t>(d.tokens));
    double largest = -INFINITY, sum = 0;
    for (TokenPos t = 0; t < d.tokens; ++t) {
      double s = 0;
      for (int i = 0; i < dim; ++i) {
        s += static_cast<double>(q[i]) *
             static_cast<double>(d.k[static_cast<size_t>(t * d.kv_width() + at + i)]);
      }
      score[static_cast<size_t>(t)] = s / std::sqrt(dim);
      largest = std::max(largest, score[static_cast<size_t>(t)]);
    }
    for (TokenPos t = 0; t < d.tokens; ++t) {
      const double w = std::exp(score[static_cast<size_t>(t)] - largest);
      sum += w;
      for (int i = 0; i < dim; ++i) {
        out[static_cast<size_t>(h * dim + i)] +=
            w * static_cast<double>(d.v[static_cast<size_t>(t * d.kv_width() + at + i)]);
      }
    }
    for (int i = 0; i < dim; ++i) out[static_cast<size_t>(h * dim + i)] /= sum;
  }
  return out;
}

class LayerRun : public testing::Test {
 protected:
  LayerData data_ = StructuredLayer({.heads = 4, .kv_heads = 2, .head_dim = 32}, 700);
  ExecContext ctx_{**kernels::ChooseKernelsFromEnvironment(), 2};
};

// Budget 0: one run each.
TEST_F(LayerRun, AttendsTheEndOfTheTextInBothPhases) {
  const std::vector<double> want = LastRow(data_);
  for (const LayerTask& task : {LayerTask{Phase::kPrefill, 100, 1, DType::kF32},
                                LayerTask{Phase::kPrefill, 700, 1, DType::kF32},
                                LayerTask{Phase::kDecode, 1, 5, DType::kF32}}) {
    const auto r = RunLayer(DenseConfig{}, data_, task, 0, ctx_, {});
    ASSERT_TRUE(r.ok()) << r.status().message();
    EXPECT_EQ(r->total.runs, 1);
    EXPECT_EQ(r->pairs.attended, r->pairs.causal);
    const int64_t rows = task.rows * task.calls;
    EXPECT_EQ(r->pairs.causal, 4 * (rows * (700 - rows) + rows * (rows + 1) / 2));
    ASSERT_EQ(r->outputs.size(), static_cast<size_t>(rows * data_.q_width()));
    // f32 dot products of 32 terms of size 60 at most move a score by 32 * 60 * 2^-24 = 1e-4, and
    // the weights by as much; values are at most 1.
    for (int64_t i = 0; i < data_.q_width(); ++i) {
      EXPECT_NEAR(r->outputs[static_cast<size_t>((rows - 1) * data_.q_width() + i)],
                  want[static_cast<size_t>(i)], 1e-3);
    }
  }
}

TEST_F(LayerRun, RunsOfOneTaskDoTheSameWork) {
  InfLlmConfig memory;
  memory.n_init = 16;
  memory.n_local = 128;
  memory.block_size = 16;
  memory.topk = 4;
  for (const AttentionConfig& config :
       {AttentionConfig(memory),
        AttentionConfig(QuestConfig{.token_budget = 128, .dense_layers = 0}),
        AttentionConfig(TovaConfig{.cache_size = 64})}) {
    const LayerTask task = {Phase::kDecode, 1, 8, DType::kF16};
    const auto once = RunLayer(config, data_, task, 0, ctx_, {});
    const auto often = RunLayer(config, data_, task, 100, ctx_, {});
    ASSERT_TRUE(once.ok() && often.ok());
    EXPECT_EQ(often->total.runs, kRuns);
    EXPECT_LT(often->pairs.attended, often->pairs.causal) << MethodName(config);
    EXPECT_EQ(once->pairs.attended, often->pairs.attended) << MethodName(config);
    EXPECT_EQ(once->outputs, often->outputs) << MethodName(config);
    EXPECT_GT(often->plan_s, 0);
    EXPECT_LE(often->plan_s, often->total.median_s);
  }
}

TEST_F(LayerRun, StopsWhileItReads) {
  const std::atomic<bool> stop = true;
  BenchControl control;
  control.cancel = &stop;
  const auto r = RunLayer(DenseConfig{}, data_, {.rows = 10}, 1, ctx_, control);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->total.runs, 0);
}

TEST(StructuredLayer, IsTheSameEveryTimeAndHasItsShape) {
  const StructuredShape shape = {.heads = 6, .kv_heads = 3, .head_dim = 48};
  const LayerData a = StructuredLayer(shape, 200), b = StructuredLayer(shape, 200);
  EXPECT_EQ(a.q, b.q);
  EXPECT_EQ(a.k.size(), size_t{200 * 3 * 48});
  EXPECT_EQ(a.v, b.v);
  EXPECT_EQ(Validate(shape).code(), StatusCode::kOk);
  EXPECT_THAT(Validate({.heads = 6, .kv_heads = 4}).message(),
              HasSubstr("kv_heads is 4, must divide the 6 heads"));
  EXPECT_THAT(Validate({.head_dim = 24}).message(),
              HasSubstr("head_dim is 24, must be a multiple"));
}

TEST(AttentionBench, RefusesByNameValueAndLimit) {
  const auto error = [](const AttentionBenchOptions& o) {
    return RunAttentionBench(o, {}).status().message();
  };
  EXPECT_EQ(error({}), "lengths: must name at least one");
  EXPECT_THAT(error({.lengths = {1024, 10}}), HasSubstr("lengths has 10, must be between 64 and"));
  EXPECT_THAT(error({.lengths = {1024}, .rows = 0}), HasSubstr("rows is 0, must be between 1 and"));
  EXPECT_THAT(error({.lengths = {1024}, .threads = -1}), HasSubstr("threads is -1"));
}

}  // namespace
}  // namespace quarry::bench
