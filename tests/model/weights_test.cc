// Tensors of a checkpoint on their way into the decoder: fused and separate ones give the same
// model, bit for bit; what is missing or has another shape is refused in one line.

#include "model/weights.h"

#include <fstream>
#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/model.h"
#include "model/rotary_order.h"
#include "tests/support/model_runs.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TokenId kTokens[] = {1, 5, 60, 7, 7, 33, 2, 18, 40, 11};

std::vector<float> Logits(const TinyCheckpoint& checkpoint) {
  const TempDir folder;
  checkpoint.Write(folder.path());
  const auto model = Model::Load(folder.path(), DType::kF32);
  if (!model.ok()) throw std::runtime_error(model.status().message());
  return AllLogits(**model, kTokens);
}

Status LoadError(const TinyCheckpoint& checkpoint) {
  const TempDir folder;
  checkpoint.Write(folder.path());
  const Status s = Model::Load(folder.path(), DType::kF32).status();
  const std::string prefix = folder.path().string() + ": ";
  EXPECT_TRUE(s.message().starts_with(prefix)) << s.message();
  return {s.code(), s.message().substr(std::min(prefix.size(), s.message().size()))};
}

// Calls f("model.layers.I.") for both layers.
void ForLayers(const std::function<void(const std::string&)>& f) {
  for (int i = 0; i < 2; ++i) f(fmt::format("model.layers.{}.", i));
}

TinyCheckpoint::Tensor Take(TinyCheckpoint& c, const std::string& name) {
  return c.tensors.extract(name).mapped();
}

void FuseMlp(TinyCheckpoint& c) {
  ForLayers([&](const std::string& layer) {
    const auto gate = Take(c, layer + "mlp.gate_proj.weight");
    const auto up = Take(c, layer + "mlp.up_proj.weight");
    c.tensors[layer + "mlp.gate_up_proj.weight"] = Stacked(gate, up);
  });
}

void DropBiases(TinyCheckpoint& c, std::string_view part) {
  std::erase_if(c.tensors, [&](const auto& t) {
    return t.first.ends_with(".bias") && t.first.find(part) != std::string::npos;
  });
}

TEST(Weights, FusedTensorsAreTheSeparateOnesStacked) {
  Rng rng(1);
  TinyCheckpoint llama = TinyLlama(rng);
  llama.config["attention_bias"] = llama.config["mlp_bias"] = false;
  DropBiases(llama, "");

  TinyCheckpoint phi3 = llama;
  phi3.config["architectures"] = {"Phi3ForCausalLM"};
  phi3.config["rms_norm_eps"] = 1e-6;
  FuseMlp(phi3);
  ForLayers([&](const std::string& layer) {
    const auto q = Take(phi3, layer + "self_attn.q_proj.weight");
    const auto k = Take(phi3, layer + "self_attn.k_proj.weight");
    const auto v = Take(phi3, layer + "self_attn.v_proj.weight");
    phi3.tensors[layer + "self_attn.qkv_proj.weight"] = Stacked(Stacked(q, k), v);
  });
  EXPECT_EQ(Logits(phi3), Logits(llama));
}

// Every head's channel p and p + 4 of 8 side by side.
TinyCheckpoint::Tensor Interleaved(const TinyCheckpoint::Tensor& heads) {
  TinyCheckpoint::Tensor out = heads.Rows(0, 0);
  for (int64_t head = 0; head < heads.shape[0]; head += 8) {
    for (int64_t p = 0; p < 4; ++p) {
      out = Stacked(out, heads.Rows(head + p, head + p + 1));
      out = Stacked(out, heads.Rows(head + p + 4, head + p + 5));
    }
  }
  return out;
}

TEST(Weights, AdjacentPairsAreHalvesInAnotherOrder) {
  Rng rng(2);
  TinyCheckpoint llama = TinyLlama(rng);
  llama.config["mlp_bias"] = false;
  DropBiases(llama, "mlp");
  ForLayers([&](const std::string& layer) {
    // GLM has none here; a bias of zeros is none.
    for (float& x : llama.tensors[layer + "self_attn.o_proj.bias"].data) x = 0;
  });

  TinyCheckpoint glm = llama;
  glm.config["architectures"] = {"GlmForCausalLM"};
  glm.config["partial_rotary_factor"] = 1.0;
  glm.config["rms_norm_eps"] = 1e-6;
  DropBiases(glm, "o_proj");
  FuseMlp(glm);
  ForLayers([&](const std::string& layer) {
    for (const char* part : {"q_proj.weight", "q_proj.bias", "k_proj.weight", "k_proj.bias"}) {
      TinyCheckpoint::Tensor& t = glm.tensors[layer + "self_attn." + part];
      t = Interleaved(t);
    }
  });
  EXPECT_EQ(Logits(glm), Logits(llama));
}

TEST(Weights, ChannelOrder) {
  RopeSpec rope;
  rope.rotated_dims = 4;
  EXPECT_THAT(ChannelOrder(rope, 6), ElementsAre(0, 1, 2, 3, 4, 5));
  rope.adjacent_pairs = true;
  EXPECT_THAT(ChannelOrder(rope, 6), ElementsAre(0, 2, 1, 3, 4, 5));
  rope.rotated_dims = 6;
  EXPECT_THAT(ChannelOrder(rope, 6), ElementsAre(0, 2, 4, 1, 3, 5));
  const std::vector<int64_t> order = ChannelOrder(rope, 6);
  EXPECT_THAT(OrderHeads({0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}, order),
              ElementsAre(0, 2, 4, 1, 3, 5, 10, 12, 14, 11, 13, 15));
  EXPECT_THAT(OrderHeads({}, order), IsEmpty());
}

TEST(Weights, EmbeddingsServeAsOutputWhereThereIsNone) {
  Rng rng(3);
  TinyCheckpoint c = TinyLlama(rng);
  TinyCheckpoint absent = c, tied = c, equal = c;
  absent.tensors.erase("lm_head.weight");
  tied.config["tie_word_embeddings"] = true;  // counts, although there is a lm_head
  equal.tensors["lm_head.weight"] = c.tensors["model.embed_tokens.weight"];
  const std::vector<float> want = Logits(equal);
  EXPECT_EQ(Logits(absent), want);
  EXPECT_EQ(Logits(tied), want);
  EXPECT_NE(Logits(c), want);
}

// A wrong one anywhere is found, whatever its kind.
TEST(Weights, EveryTensorIsNeeded) {
  Rng rng(4);
  const TinyCheckpoint whole = TinyLlama(rng);
  for (const auto& [name, tensor] : whole.tensors) {
    if (name == "lm_head.weight") continue;
    SCOPED_TRACE(name);
    TinyCheckpoint c = whole;
    c.tensors.erase(name);
    const Status missing = LoadError(c);
    EXPECT_EQ(missing.code(), StatusCode::kCorruptData);
    EXPECT_EQ(missing.message(),
              fmt::format("tensor {} is missing, LlamaForCausalLM needs it with shape [{}]", name,
                          fmt::join(tensor.shape, ", ")));

    c.tensors[name] = Stacked(tensor, tensor.Rows(0, 1));
    const Status wrong = LoadError(c);
    EXPECT_EQ(wrong.code(), StatusCode::kCorruptData);
    EXPECT_EQ(wrong.message(),
              fmt::format("tensor {} has shape [{}], the configuration implies [{}]", name,
                          fmt::join(c.tensors[name].shape, ", "), fmt::join(tensor.shape, ", ")));
  }
}

TEST(Weights, ATensorOfTheWrongRank) {
  Rng rng(5);
  TinyCheckpoint c = TinyLlama(rng);
  c.tensors["model.layers.1.self_attn.o_proj.weight"].shape = {1024};
  EXPECT_EQ(LoadError(c).message(),
            "tensor model.layers.1.self_attn.o_proj.weight has shape [1024], the configuration "
            "implies [32, 32]");
}

TEST(Weights, AnElementTypeThatIsNotComputedWith) {
  Rng rng(6);
  const TempDir folder;
  TinyCheckpoint c = TinyLlama(rng);
  c.Write(folder.path());
  // The header's text has the same length in I32.
  std::string bytes = *ReadFile(folder.path() / "model.safetensors", 1 << 20);
  const size_t at = bytes.find("F32", bytes.find("model.norm.weight"));
  bytes.replace(at, 3, "I32");
  std::ofstream(folder.path() / "model.safetensors", std::ios::binary) << bytes;
  const Status s = Model::Load(folder.path(), DType::kF32).status();
  EXPECT_EQ(s.code(), StatusCode::kUnsupported) << s.message();
  EXPECT_THAT(s.message(), HasSubstr("model.norm.weight"));
  EXPECT_THAT(s.message(), HasSubstr("I32"));
}

TEST(Weights, ShapesThatTheDecoderDoesNotCompute) {
  Rng rng(7);
  TinyCheckpoint c = TinyLlama(rng);
  c.config["head_dim"] = 12;
  EXPECT_EQ(LoadError(c).message(), "head_dim is 12, must be a multiple of 8 up to 256");
  c.config["head_dim"] = 264;
  EXPECT_EQ(LoadError(c).code(), StatusCode::kUnsupported);
  c = TinyLlama(rng);
  c.config["intermediate_size"] = 47;
  EXPECT_EQ(LoadError(c).message(), "hidden_size 32 and intermediate_size 47 must be even");
}

TEST(Weights, ComparesWhatThereIsWithWhatIsRead) {
  Rng rng(8);
  TinyCheckpoint c = TinyLlama(rng);
  c.tensors["model.rotary_emb.inv_freq"] = c.tensors["model.norm.weight"];
  const auto check = [&] {
    const TempDir folder;
    c.Write(folder.path());
    return CheckTensors(*OpenModelFiles(folder.path()));
  };
  EXPECT_THAT(check().missing, IsEmpty());
  EXPECT_THAT(check().unused, IsEmpty());
  c.tensors.erase("lm_head.weight");  // the embeddings serve
  c.tensors.erase("model.norm.weight");
  c.tensors["model.layers.0.self_attn.q_norm.weight"] = {{8}, std::vector<float>(8)};
  EXPECT_THAT(check().missing, ElementsAre("model.norm.weight"));
  EXPECT_THAT(check().unused, ElementsAre("model.layers.0.self_attn.q_norm.weight"));
  c.config["attention_bias"] = false;
  EXPECT_EQ(check().unused.size(), 9u);
}

}  // namespace
}  // namespace quarry
