// Model families: which tensors of a checkpoint make up the decoder. A family maps names and
// switches; the decoder computes. GGUF files have names of their own, the same for every family.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "base/function_ref.h"
#include "format/hf_config.h"

namespace quarry {

// Tensor names of one layer. An empty name: the family has no such tensor. Of a fused tensor and
// its parts, one or the other is named.
struct LayerNames {
  std::string input_norm;  // before attention
  std::string q, k, v;     // projections, [out, in]
  std::string q_bias, k_bias, v_bias;
  std::string qkv, qkv_bias;   // rows: all q heads, all k heads, all v heads
  std::string q_norm, k_norm;  // RMSNorm of every head, before RoPE
  std::string o, o_bias;
  std::string attention_norm;  // of attention's branch, before it is added
  std::string mlp_input_norm;  // before the MLP
  std::string gate, up;
  std::string gate_bias, up_bias;
  std::string gate_up, gate_up_bias;  // rows: all of gate, all of up
  std::string down, down_bias;
  std::string mlp_norm;  // of the MLP's branch, before it is added
};

struct ModelNames {
  std::string embeddings;
  std::string final_norm;
  std::string lm_head;  // may be missing from the checkpoint: then the embeddings serve
  std::vector<LayerNames> layers;
};

// The names that the configuration's family uses.
ModelNames NamesOf(const HfConfig& config);

// The names of a GGUF file's tensors: those of a fused tensor where `contains` says that the file
// has it, else those of its parts.
ModelNames GgufNames(const HfConfig& config, FunctionRef<bool(std::string_view)> contains);

// All of them, in no particular order.
std::vector<std::string> TensorNames(const ModelNames& names);

// Whether a checkpoint may hold the tensor although no family reads it: frequencies of RoPE, which
// are always computed, or factors of them, which the configuration holds.
bool IsIgnoredTensor(std::string_view name);

// One function a family, or families that share all names.
ModelNames LlamaNames(const HfConfig& config);    // Llama, Mistral, Qwen2, MiniCPM
ModelNames Qwen3Names(const HfConfig& config);    // with norms of q and k
ModelNames Phi3Names(const HfConfig& config);     // qkv_proj, gate_up_proj
ModelNames GlmNames(const HfConfig& config);      // gate_up_proj
ModelNames Glm4Names(const HfConfig& config);     // with norms of both branches
ModelNames ChatGlmNames(const HfConfig& config);  // the names of ChatGLM's own code

}  // namespace quarry
