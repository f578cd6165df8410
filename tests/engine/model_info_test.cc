#include "quarry/model_info.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/config.h"

#include "tests/support/model_runs.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ModelInfo Inspect(const TinyCheckpoint& checkpoint) {
  const TempDir folder;
  checkpoint.Write(folder.path());
  const Result<ModelInfo> info = InspectModel(folder.path());
  EXPECT_TRUE(info.ok()) << info.status().message();
  return info.ok() ? *info : ModelInfo();
}

// Sizes that a file may name, at lengths that a user may: memory that nobody has, not a wrapped
// sum.
TEST(ModelInfo, PlansDoNotWrapAround) {
  ModelInfo info;
  info.layers = 10000;
  info.heads = info.kv_heads = 4096;
  info.head_dim = 256;
  info.hidden_size = 1 << 18;
  const MemoryPlan plan = PlanMemory(info, DenseConfig{}, {.tokens = int64_t{1} << 30});
  EXPECT_EQ(plan.kv, uint64_t{1} << 62);
  EXPECT_GT(plan.total(), plan.kv);
}

TEST(ModelInfo, BundledFamilies) {
  Result<ModelInfo> info = InspectModel(GoldenInTree("models/phi3_partial_rotary"));
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->rope,
            "base 10000, LongRoPE with other factors beyond 160 tokens, magnitude 1.12834, 12 of "
            "16 channels");
  EXPECT_EQ(info->sliding_window, 262144);
  EXPECT_EQ(info->sliding_layers, 2);
  EXPECT_TRUE(info->tied_embeddings);
  EXPECT_EQ(info->parameters, 87360);
  EXPECT_THAT(info->features, IsEmpty());
  EXPECT_THAT(info->notes, IsEmpty());

  info = InspectModel(GoldenInTree("models/glm4_0414"));
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->rope, "base 10000, 8 of 16 channels, adjacent pairs");
  EXPECT_EQ(info->sliding_window, 0);
  EXPECT_FALSE(info->tied_embeddings);
  EXPECT_THAT(info->features, ElementsAre("RMSNorm of both branches' outputs"));

  info = InspectModel(GoldenInTree("models/qwen2_window"));
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->sliding_window, 24);
  EXPECT_EQ(info->sliding_layers, 2);
  EXPECT_THAT(info->features, ElementsAre("biases of q, k, v"));
}

TEST(ModelInfo, ScalingsAndScales) {
  Rng rng(1);
  TinyCheckpoint c = TinyLlama(rng);
  EXPECT_EQ(Inspect(c).rope, "base 10000");
  EXPECT_THAT(Inspect(c).features, ElementsAre("biases of q, k, v, attention's output, the MLP"));
  c.config["rope_theta"] = 5e6;
  c.config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.5}};
  EXPECT_EQ(Inspect(c).rope, "base 5000000, dynamic scaling by 2.5");
  // Added to a configuration whose own length stays: 4 times 128.
  c.config["rope_scaling"] = {{"type", "yarn"}, {"factor", 4}, {"attention_factor", 1}};
  EXPECT_EQ(Inspect(c).rope, "base 5000000, YaRN scaling by 4");
  EXPECT_EQ(Inspect(c).native_context, 512);
  c.config["max_position_embeddings"] = 1024;
  c.config["rope_scaling"]["original_max_position_embeddings"] = 128;
  EXPECT_EQ(Inspect(c).native_context, 1024);

  c = TinyLlama(rng);
  c.config.update({{"architectures", {"MiniCPMForCausalLM"}},
                   {"scale_emb", 12},
                   {"scale_depth", 1.4},
                   {"dim_model_base", 16},
                   {"tie_word_embeddings", false}});
  EXPECT_THAT(Inspect(c).features,
              ElementsAre("biases of q, k, v, attention's output", "embeddings times 12",
                          "branches times 0.989949", "final hidden state divided by 2"));
}

TEST(ModelInfo, NotesTensorsThatAreMissingOrUnused) {
  Rng rng(2);
  TinyCheckpoint c = TinyLlama(rng);
  const int64_t whole = Inspect(c).parameters;
  c.tensors["model.rotary_emb.inv_freq"] = {{4}, std::vector<float>(4)};
  EXPECT_EQ(Inspect(c).parameters, whole) << "frequencies are no parameters";
  EXPECT_FALSE(Inspect(c).tied_embeddings);
  c.tensors.erase("lm_head.weight");
  EXPECT_TRUE(Inspect(c).tied_embeddings);
  EXPECT_THAT(Inspect(c).notes, IsEmpty());
  c.config["attention_bias"] = false;
  c.tensors.erase("model.norm.weight");
  EXPECT_THAT(Inspect(c).notes,
              ElementsAre("tensor model.norm.weight is missing: the model cannot be run",
                          "8 tensors are not used by this architecture, such as "
                          "model.layers.0.self_attn.k_proj.bias"));
}

TEST(ModelInfo, NotesShapesThatDoNotFit) {
  Rng rng(3);
  TinyCheckpoint c = TinyLlama(rng);
  c.tensors["model.norm.weight"] = {{31}, std::vector<float>(31)};
  EXPECT_THAT(Inspect(c).notes,
              ElementsAre("tensor model.norm.weight has shape [31], the configuration implies "
                          "[32]: the model cannot be run"));
}

// What is suggested for a model with a sliding window is what the method accepts.
TEST(ModelInfo, SuggestedLengthsStayWithinAWindow) {
  for (const int64_t window : {24, 2047, 4096, 262144}) {
    for (const char* name : {"stream-llm", "infinite-lm", "inf-llm", "qllm", "inf-quest"}) {
      SCOPED_TRACE(name + std::to_string(window));
      const AttentionConfig config =
          SuggestAttentionConfig(*DefaultAttentionConfig(name), 32768, window);
      EXPECT_TRUE(Validate(config).ok()) << Validate(config).message();
      EXPECT_THAT(MakeMethod(config)->Unsupported({1, 4, 2, 64, {window}}), IsEmpty());
    }
  }
  const auto wide = std::get<InfLlmConfig>(
      SuggestAttentionConfig(*DefaultAttentionConfig("inf-llm"), 32768, 4096));
  EXPECT_EQ(wide.n_init, 128);
  EXPECT_EQ(wide.n_local, 4096 - 128);
}

}  // namespace
}  // namespace quarry
