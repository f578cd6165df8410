// Sequences of a model for tests, and tiny checkpoints to load models from.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/model.h"
#include "tests/support/random.h"

namespace quarry {

struct RunOptions {
  AttentionSetup attention = DenseConfig{};
  DType kv_dtype = DType::kF32;
  int64_t total_length = 0;  // that the rotary embedding is chosen for
};
Sequence NewSequence(const Model& model, const RunOptions& options);

// Logits of every token of one forward pass, [n][vocab]. Throws on failure.
std::vector<float> AllLogits(const Model& model, std::span<const TokenId> tokens,
                             RunOptions options = {});

// config.json and the tensors of a model, in memory.
struct TinyCheckpoint {
  struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> data;

    // Rows [begin, end) of a matrix or a vector.
    Tensor Rows(int64_t begin, int64_t end) const;
  };
  nlohmann::json config;
  std::map<std::string, Tensor> tensors;

  void Write(const std::filesystem::path& folder) const;
};

// `a` on top of `b`.
TinyCheckpoint::Tensor Stacked(const TinyCheckpoint::Tensor& a, const TinyCheckpoint::Tensor& b);

// A LlamaForCausalLM of 2 layers with random weights and biases everywhere: hidden 32, 4 query and
// 2 key/value heads of 8, MLP 48, vocabulary 64.
TinyCheckpoint TinyLlama(Rng& rng);

}  // namespace quarry
