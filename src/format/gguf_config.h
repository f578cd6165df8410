// A model's settings from GGUF metadata, as config.json would give them.
#pragma once

#include "quarry/status.h"

#include "format/gguf.h"
#include "format/hf_config.h"

namespace quarry {

// general.architecture decides: llama (Llama, Yi, Mistral), qwen2, qwen3, phi3, chatglm (as ChatGLM
// if queries, keys and values are one tensor, else as GLM), glm4, minicpm. Numbers are checked as
// those of config.json are. The file's tensors tell what the metadata does not: biases, tied
// embeddings, frequency factors.
//
// RoPE: rope_freqs.weight and rope_factors_{long,short}.weight become factor lists. Llama and
// MiniCPM files hold q and k in the order of adjacent pairs; the result says halves, which is right
// once the rows are put back (see GgufSource).
Result<HfConfig> ReadGgufConfig(const GgufModel& model);

// The value of general.architecture for a family.
std::string_view GgufArchitectureOf(ModelFamily family);
// Whether the family's files have q and k in another order of rows than the checkpoint.
bool GgufPermutesHeads(ModelFamily family);

}  // namespace quarry
