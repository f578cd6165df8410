// What a model is and what running it costs, from its files alone: nothing is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quarry/attention_setup.h"
#include "quarry/status.h"
#include "quarry/types.h"

namespace quarry {

struct ModelInfo {
  std::string architecture;  // "LlamaForCausalLM"
  std::string model_type;    // "llama"
  int64_t layers = 0;
  int64_t hidden_size = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  int64_t vocab_size = 0;
  int64_t native_context = 0;  // tokens it was trained for, or extended to by YaRN
  std::string rope;            // "base 10000", "base 500000, llama3 scaling by 8"
  int64_t sliding_window = 0;  // keys a query sees, itself included; 0: no layer slides
  int64_t sliding_layers = 0;  // of `layers`
  // What else the family computes: "biases of q, k, v", "RMSNorm of every q and k head".
  std::vector<std::string> features;
  bool tied_embeddings = false;
  int64_t parameters = 0;  // elements of all tensors
  uint64_t file_bytes = 0;
  std::vector<std::string> dtypes;  // of the tensors: "bf16", "q4_k"
  // Matrices that are not quantised are held as bf16 or f16 if all of them are that in the file,
  // else as f32.
  DType weight_dtype = DType::kBF16;
  int64_t matrix_parameters = 0;     // without vectors
  int64_t quantized_parameters = 0;  // of those
  uint64_t quantized_bytes = 0;
  std::vector<std::string> notes;  // remarks of the configuration
};

Result<ModelInfo> InspectModel(const std::filesystem::path& path);

// Memory for one sequence of `tokens` tokens.
struct MemoryPlan {
  uint64_t weights = 0;  // as packed in memory
  uint64_t kv = 0;       // keys and values
  uint64_t state = 0;    // what the method keeps: block representatives, scores
  uint64_t work = 0;     // buffers of one forward pass
  uint64_t total() const { return weights + kv + state + work; }
};

struct MemoryPlanOptions {
  int64_t tokens = 0;
  DType weight_dtype = DType::kBF16;        // of matrices that are not quantised in the file
  std::optional<WeightType> quantize = {};  // the same, if they are on loading
  DType kv_dtype = DType::kF16;
  int64_t chunk_size = 512;
  int threads = 1;
};

// REQUIRES: `attention` is valid.
MemoryPlan PlanMemory(const ModelInfo& model, const AttentionSetup& attention,
                      const MemoryPlanOptions& options);

// Bytes that this process can still allocate, as far as the system tells (UINT64_MAX: it does not).
uint64_t AvailableMemory();

}  // namespace quarry
