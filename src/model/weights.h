// A checkpoint's tensors, checked against the configuration and packed for the kernels.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "format/hf_config.h"
#include "format/weight_view.h"
#include "model/model_files.h"
#include "ops/packed_matrix.h"

namespace quarry {

// One decoder block. Vectors that a family does not have are empty.
struct LayerWeights {
  std::vector<float> input_norm;  // [hidden]
  PackedMatrix qkv;               // rows: all q heads, all k heads, all v heads; see rotary_order.h
  std::vector<float> q_norm;      // [head_dim]
  std::vector<float> k_norm;
  PackedMatrix o;
  std::vector<float> attention_norm;  // [hidden], of the branch
  std::vector<float> mlp_input_norm;  // [hidden]
  PackedMatrix gate_up;               // interleaved
  PackedMatrix down;
  std::vector<float> mlp_norm;  // [hidden], of the branch
};

struct ModelWeights {
  std::shared_ptr<const TensorSource> source;  // keeps the embeddings mapped
  WeightView embeddings;                       // [vocab, hidden]
  std::vector<float> final_norm;
  PackedMatrix lm_head;
  std::vector<LayerWeights> layers;

  size_t size_bytes() const;
};

// What matrices that are not quantised in the file are held as: bf16 or f16 if all of them are,
// else f32, which holds both exactly.
DType HeldDType(const TensorSource& tensors);

// Quantised tensors stay as they are; others are packed as `target` says, the output matrix with no
// less than 8 bits. Every tensor must have the shape that the configuration implies.
Result<ModelWeights> LoadWeights(const ModelFiles& files, const PackTarget& target);

// Whether every tensor that LoadWeights reads is there, in a known type, with the shape that the
// configuration implies. Reads nothing but vectors.
Status CheckShapes(const ModelFiles& files);

// What the files hold compared with what the configuration's family reads. Sorted.
struct TensorCheck {
  std::vector<std::string> missing;
  std::vector<std::string> unused;  // but for those that may be there without being read
};
TensorCheck CheckTensors(const ModelFiles& files);

}  // namespace quarry
