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
// MiniCPM files hold q and k in the order of adjacent pairs, though the checkpoints they were made
// from have halves: rope.adjacent_pairs says what the file has.
Result<HfConfig> ReadGgufConfig(const GgufModel& model);

// The value of general.architecture for a family.
std::string_view GgufArchitectureOf(ModelFamily family);
// Whether writing a file puts the rows of q and k, halves in the checkpoint, in the order of
// adjacent pairs.
bool GgufPermutesHeads(ModelFamily family);

}  // namespace quarry
