// Model families: which tensors of a checkpoint make up the decoder. A family maps names and
// switches; the decoder computes.
#pragma once

#include <string>
#include <vector>

#include "quarry/status.h"

#include "format/hf_config.h"

namespace quarry {

// Tensor names of one layer. An empty name: the family has no such tensor.
struct LayerNames {
  std::string input_norm;
  std::string q, k, v, o;  // projections, [out, in]
  std::string q_bias, k_bias, v_bias, o_bias;
  std::string post_norm;  // before the MLP
  std::string gate, up, down;
  std::string gate_bias, up_bias, down_bias;
};

struct ModelNames {
  std::string embeddings;
  std::string final_norm;
  std::string lm_head;  // may be missing from the checkpoint: then the embeddings serve
  std::vector<LayerNames> layers;
};

// Unsupported for families that the decoder does not compute.
Result<ModelNames> NamesOf(const HfConfig& config);

// One function a family; names only.
ModelNames LlamaNames(const HfConfig& config);

}  // namespace quarry
