// The RoPE part of config.json: rope_theta, rope_scaling (transformers 4), rope_parameters
// (transformers 5), partial_rotary_factor.
#pragma once

#include "format/hf_config.h"
#include "format/json.h"

namespace quarry {

// Reads into config.rope. Failures go to the reader. REQUIRES: family, head_dim,
// max_position_embeddings and windows of `config` are set; not ChatGLM, whose rope is fixed.
void ReadHfRope(const JsonReader& in, HfConfig& config);

// Sets rotated_dims to int(head_dim * fraction); fails unless it is even and at least 2.
void SetRotatedDims(const JsonReader& in, double fraction, HfConfig& config);

}  // namespace quarry
