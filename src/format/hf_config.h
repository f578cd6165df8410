// config.json and generation_config.json of Hugging Face checkpoints, with every default filled in
// and every number in a range that later arithmetic and allocations can trust.
//
// The families of docs/formats.md are read, in the spelling of transformers 4 and 5 and of
// ChatGLM's own code. What a family cannot express (another activation, quantised weights, an
// unknown RoPE scaling) is refused as unsupported, with the key and its value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "tensor/rope_spec.h"

namespace quarry {

// Decides tensor names and the shape of the decoder block.
enum class ModelFamily : uint8_t {
  kLlama,  // Llama, Yi
  kMistral,
  kQwen2,    // Qwen2, Qwen2.5
  kQwen3,    // RMSNorm on every head of q and k
  kPhi3,     // Phi-3, 3.5, 4-mini: qkv_proj, gate_up_proj
  kChatGlm,  // ChatGLM3 and GLM-4 with their own code: query_key_value, dense_h_to_4h
  kGlm,      // GLM-4 in the usual layout: gate_up_proj
  kGlm4,     // GLM-4-0414: norms after each branch, gate_up_proj
  kMiniCpm,
};

// Largest numbers that are read, from GGUF metadata too. Every weight matrix has fewer than 2^44
// elements, those of all layers together fewer than 2^58: sizes in bytes fit 64 bits.
struct ConfigLimits {
  static constexpr int64_t kLayers = 10000;
  static constexpr int64_t kHidden = int64_t{1} << 18;
  static constexpr int64_t kHeads = 4096;
  static constexpr int64_t kHeadDim = 4096;
  static constexpr int64_t kIntermediate = int64_t{1} << 20;
  static constexpr int64_t kVocab = int64_t{1} << 23;
  static constexpr int64_t kPositions = int64_t{1} << 31;
};

struct HfConfig {
  ModelFamily family = ModelFamily::kLlama;
  std::string architecture;  // "LlamaForCausalLM"
  std::string model_type;    // "llama"; empty if absent

  int64_t n_layers = 0;
  int64_t hidden_size = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads
  int64_t head_dim = 0;    // n_heads * head_dim need not be hidden_size
  int64_t intermediate_size = 0;
  int64_t vocab_size = 0;  // rows of the embedding
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 0;
  bool tie_word_embeddings = false;

  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;

  // [n_layers]: keys that a query sees, itself included; 0 for all.
  std::vector<int64_t> windows;

  RopeSpec rope;

  // MiniCPM; 1 elsewhere.
  double embedding_scale = 1;  // embeddings are multiplied by it
  double residual_scale = 1;   // the output of both branches of every layer
  double logit_divisor = 1;    // the final norm's output is divided by it

  // Ids below vocab_size; those of the file that are not are left out and noted.
  std::vector<TokenId> bos_ids, eos_ids, pad_ids;

  // Remarks for the user, one line each.
  std::vector<std::string> notes;
};

// `name` starts every message: "config.json: num_hidden_layers is \"six\", must be an integer
// between 1 and 10000".
Result<HfConfig> ParseHfConfig(std::string_view json, std::string_view name);
// Reads `path`, or config.json in the folder `path`.
Result<HfConfig> LoadHfConfig(const std::filesystem::path& path);

// The values of architectures[0] that are read.
std::vector<std::string_view> SupportedArchitectures();

// What the model's authors recommend for sampling; nullopt where they say nothing.
struct GenerationConfig {
  std::vector<TokenId> bos_ids, eos_ids, pad_ids;  // 0 or more; not compared with a vocabulary
  std::optional<bool> do_sample;
  std::optional<double> temperature;         // [0, 100]
  std::optional<int64_t> top_k;              // at least 1; 0 and -1 in the file mean none
  std::optional<double> top_p;               // [0, 1]
  std::optional<double> min_p;               // [0, 1]
  std::optional<double> repetition_penalty;  // (0, 100]
  std::optional<int64_t> max_new_tokens;
};

Result<GenerationConfig> ParseGenerationConfig(std::string_view json, std::string_view name);
// Reads `path`, or generation_config.json in the folder `path`. Not found if there is none: many
// checkpoints have none.
Result<GenerationConfig> LoadGenerationConfig(const std::filesystem::path& path);

}  // namespace quarry
