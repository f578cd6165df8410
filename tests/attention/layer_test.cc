#include "attention/layer.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/infllm_runs.h"

namespace quarry {
namespace {

TEST(Registry, MakesEveryMethodByItsName) {
  for (std::string_view name : MethodNames()) {
    const Result<AttentionConfig> config = DefaultAttentionConfig(name);
    ASSERT_TRUE(config.ok());
    AttentionConfig c = *config;
    const auto method = MakeMethod(c);
    EXPECT_EQ(method->name(), name);
    EXPECT_THAT(method->Unsupported({3, 4, 2, 64}), testing::IsEmpty());
  }
}

TEST(Registry, NeedsSayWhatIsKept) {
  const auto dense = MakeMethod(DenseConfig{})->needs();
  EXPECT_FALSE(dense.planes[0].stored);
  EXPECT_EQ(dense.planes[1].keep_last, PlaneRule::kAll);
  EXPECT_FALSE(dense.farthest.has_value());
  InfLlmConfig c;
  c.n_local = 100;
  c.exc_block_size = 10;
  const auto inf_llm = MakeMethod(c)->needs();
  EXPECT_EQ(inf_llm.planes[0].keep_last, PlaneRule::kAll);
  EXPECT_EQ(inf_llm.planes[1].keep_last, 100);
  EXPECT_EQ(inf_llm.exec_rows, 10);
  EXPECT_TRUE(inf_llm.last_token_alone);
  EXPECT_EQ(inf_llm.farthest, 100);
  EXPECT_FALSE(inf_llm.question_first);
  EXPECT_TRUE(MakeMethod(QLlmConfig{})->needs().question_first);
}

// 30,000 tokens through a window of 200: the store holds what the window needs, whatever was read.
TEST(Layer, WindowMethodsStayBounded) {
  Rng rng(1);
  const LayerInputs in = RandomInputs(rng, {1, 2, 1, 8}, 500);
  const AttentionConfig configs[] = {StreamLlmConfig{70, 200}, InfiniteLmConfig{70, 200}};
  for (const AttentionConfig& config : configs) {
    SCOPED_TRACE(MethodName(config));
    OneLayer layer(config, in.shape, DType::kBF16);
    size_t most = 0;
    for (int i = 0; i < 60; ++i) {
      for (int n : {1, 250, 249}) {
        const auto out = layer.Call(in.q.data(), in.k.data(), in.v.data(), n);
        most = std::max(most, layer.kv().size_bytes());
        for (float x : out) ASSERT_TRUE(std::isfinite(x));
      }
    }
    EXPECT_EQ(layer.kv().size(), 30000);
    // Per plane: a block of sinks; 200 tokens and a block being written touch at most three. Keys
    // have 8 channels, values 16, of 2 bytes; infinite-lm has the sinks and one block raw as well.
    const size_t block = 128u * 2u;
    EXPECT_LE(most, 4u * block * 8u + 4u * block * 16u + 2u * block * 8u);
    EXPECT_EQ(layer.state().size_bytes(), 0u);
  }
}

// Rotated keys are kept for the window only; raw keys and values grow with the text.
TEST(Layer, InfLlmKeepsOneKeyPlane) {
  Rng rng(2);
  const LayerInputs in = RandomInputs(rng, {1, 2, 1, 8}, 3000);
  InfLlmConfig c;
  c.n_init = 4;
  c.n_local = 64;
  c.block_size = 16;
  c.exc_block_size = 32;
  OneLayer layer(c, in.shape, DType::kF16);
  Feed(layer, in, std::vector<int>{1000, 1000, 1000});
  const size_t block = 128u * 2u, blocks = 3000 / 128 + 1;
  EXPECT_LE(layer.kv().size_bytes(), blocks * block * (8u + 16u) + 2u * block * 8u);
  // One slab of representatives; local scores of the window, the tail and a block, twice for
  // growth, now and in up to 16 checkpoints.
  EXPECT_LE(layer.state().size_bytes(),
            512u * 2u * 8u * 2u + 17u * 2u * 2u * (64u + 16u + 32u) * sizeof(float));
}

TEST(Layer, StatsCountBlocksAndCache) {
  Rng rng(3);
  const LayerInputs in = RandomInputs(rng, {1, 4, 2, 16}, 200);
  reference::InfLlmOptions o;
  o.I = 4;
  o.L = 16;
  o.B = 4;
  o.K = 3;
  o.R = 2;
  o.X = 8;
  o.cache_blocks = 5;
  OneLayer layer(ToConfig(o), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, std::vector<int>{150, 20, 1, 1, 1, 1, 1, 25});
  int64_t retrieved = 0, evicted = 0, hits = 0;
  std::vector<int64_t> held;
  for (const auto& s : recorder.steps) {
    retrieved += static_cast<int64_t>(s.selected[0].size());
    evicted += static_cast<int64_t>(s.evicted[0].size());
    for (int64_t b : s.selected[0]) hits += std::count(held.begin(), held.end(), b);
    held.clear();
    for (const auto& e : s.caches[0]) held.push_back(e.block);
  }
  MethodStats stats;
  layer.state().AddStats(stats);
  EXPECT_EQ(stats.blocks_retrieved, retrieved);
  EXPECT_EQ(stats.cache_evictions, evicted);
  EXPECT_EQ(stats.cache_hits, hits);
  EXPECT_EQ(stats.memory_blocks, static_cast<int64_t>(recorder.blocks.size()));
  EXPECT_GT(hits, 0);
  EXPECT_GT(evicted, 0);
}

// Copies of a state do not report to the original's observer.
TEST(Layer, ForksStartWithoutAnObserver) {
  Rng rng(4);
  const LayerInputs in = RandomInputs(rng, {1, 1, 1, 8}, 60);
  InfLlmConfig c;
  c.n_init = 2;
  c.n_local = 16;
  c.block_size = 4;
  c.exc_block_size = 8;
  OneLayer layer(c, in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, std::vector<int>{40});
  const size_t steps = recorder.steps.size();
  Feed(*layer.Fork(), in, std::vector<int>{20});
  EXPECT_EQ(recorder.steps.size(), steps);
}

}  // namespace
}  // namespace quarry
