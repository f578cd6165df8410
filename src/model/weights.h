// A checkpoint's tensors, checked against the configuration and packed for the kernels.
#pragma once

#include <filesystem>
#include <vector>

#include "quarry/status.h"

#include "format/hf_config.h"
#include "format/safetensors.h"
#include "ops/packed_matrix.h"

namespace quarry {

struct LayerWeights {
  std::vector<float> input_norm;  // [hidden]
  PackedMatrix qkv;               // rows: all q heads, all k heads, all v heads
  PackedMatrix o;
  std::vector<float> post_norm;  // [hidden]
  PackedMatrix gate_up;          // interleaved
  PackedMatrix down;
};

struct ModelWeights {
  Checkpoint checkpoint;  // keeps the embeddings mapped
  TensorView embeddings;  // [vocab, hidden]
  std::vector<float> final_norm;
  PackedMatrix lm_head;
  std::vector<LayerWeights> layers;

  size_t size_bytes() const;
};

// Packs with elements of `dtype` (kF32 or kBF16). Every tensor must have the shape that the
// configuration implies.
Result<ModelWeights> LoadWeights(const std::filesystem::path& path, const HfConfig& config,
                                 DType dtype);

}  // namespace quarry
