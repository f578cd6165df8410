#include "tests/support/model_runs.h"

#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "format/safetensors.h"
#include "kernels/dispatch.h"
#include "ops/rope_frequencies.h"

namespace quarry {

Sequence NewSequence(const Model& model, const RunOptions& o) {
  return Sequence(model.shape(),
                  MakeRope(model.config().rope, model.shape().head_dim, o.total_length),
                  std::make_shared<const MethodSet>(o.attention, model.shape().layers),
                  {.kv_dtype = o.kv_dtype, .hints = {}});
}

std::vector<float> AllLogits(const Model& model, std::span<const TokenId> tokens, RunOptions o) {
  ExecContext ctx(**kernels::ChooseKernelsFromEnvironment(), 2);
  if (o.total_length == 0) o.total_length = static_cast<int64_t>(tokens.size());
  Sequence sequence = NewSequence(model, o);
  std::vector<float> logits(tokens.size() * static_cast<size_t>(model.config().vocab_size));
  const Status s = model.Forward(tokens, sequence, ctx, logits, {.all_logits = true});
  if (!s.ok()) throw std::runtime_error(s.message());
  return logits;
}

TinyCheckpoint::Tensor TinyCheckpoint::Tensor::Rows(int64_t begin, int64_t end) const {
  Tensor out = {shape, {}};
  const auto width = static_cast<int64_t>(data.size()) / shape[0];
  out.shape[0] = end - begin;
  out.data.assign(data.begin() + begin * width, data.begin() + end * width);
  return out;
}

TinyCheckpoint::Tensor Stacked(const TinyCheckpoint::Tensor& a, const TinyCheckpoint::Tensor& b) {
  TinyCheckpoint::Tensor out = a;
  out.shape[0] += b.shape[0];
  out.data.insert(out.data.end(), b.data.begin(), b.data.end());
  return out;
}

void TinyCheckpoint::Write(const std::filesystem::path& folder) const {
  std::ofstream(folder / "config.json") << config.dump();
  std::vector<TensorToWrite> list;
  for (const auto& [name, t] : tensors) {
    list.push_back({name, DType::kF32, t.shape, std::as_bytes(std::span(t.data))});
  }
  const Status s = WriteSafetensors(folder / "model.safetensors", list);
  if (!s.ok()) throw std::runtime_error(s.message());
}

TinyCheckpoint TinyLlama(Rng& rng) {
  TinyCheckpoint c;
  c.config = {{"architectures", {"LlamaForCausalLM"}},
              {"hidden_size", 32},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"intermediate_size", 48},
              {"vocab_size", 64},
              {"max_position_embeddings", 128},
              {"attention_bias", true},
              {"mlp_bias", true}};
  const auto add = [&](const std::string& name, const std::vector<int64_t>& shape) {
    size_t n = 1;
    for (int64_t s : shape) n *= static_cast<size_t>(s);
    c.tensors[name] = {shape, RandomFloats(rng, n)};
  };
  add("model.embed_tokens.weight", {64, 32});
  add("model.norm.weight", {32});
  add("lm_head.weight", {64, 32});
  for (int i = 0; i < 2; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    add(layer + "input_layernorm.weight", {32});
    add(layer + "post_attention_layernorm.weight", {32});
    const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
      add(layer + name + ".weight", {out, in});
      add(layer + name + ".bias", {out});
    };
    linear("self_attn.q_proj", 32, 32);
    linear("self_attn.k_proj", 16, 32);
    linear("self_attn.v_proj", 16, 32);
    linear("self_attn.o_proj", 32, 32);
    linear("mlp.gate_proj", 48, 32);
    linear("mlp.up_proj", 48, 32);
    linear("mlp.down_proj", 32, 48);
  }
  return c;
}

}  // namespace quarry
