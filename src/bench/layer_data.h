// Queries, keys and values of one attention layer to measure methods on: made up, or recorded from
// a model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "ops/rope.h"
#include "tensor/model_shape.h"

namespace quarry::bench {

struct LayerData {
  std::string name;  // "structured heads", "layer 2 of needle-5m"
  ModelShape shape;  // one layer
  Rope rope;
  TokenPos tokens = 0;
  int64_t native_context = 0;  // tokens the model was trained for; 0: nothing says so
  std::vector<float> q;        // [tokens][heads * head_dim], not rotated
  std::vector<float> k, v;     // [tokens][kv_heads * head_dim]

  int64_t q_width() const { return int64_t{shape.heads} * shape.head_dim; }
  int64_t kv_width() const { return int64_t{shape.kv_heads} * shape.head_dim; }
};

struct StructuredShape {
  int heads = 8;
  int kv_heads = 2;
  int head_dim = 128;  // a multiple of 16 between 32 and 256
};
// Refuses by name what cannot be a layer.
Status Validate(const StructuredShape& shape);

// Heads of four kinds in turn, as they are found in models: local (near keys score higher),
// vertical (one key in 128 matters to all), slash (one distance, an eighth of the text, stands
// out), topical (runs of 512 tokens look for their like). Positions do not rotate: the structure is
// in the vectors, so that methods with a position rule of their own can be compared with dense
// attention. The same for every call. REQUIRES: Validate(shape) is ok.
LayerData StructuredLayer(const StructuredShape& shape, TokenPos tokens);

// A file of `quarry run --dump-qkv`. `Open` checks it and reads nothing of the rows.
class RecordedLayer {
 public:
  static Result<RecordedLayer> Open(const std::filesystem::path& path);
  std::string name() const;  // "layer 2 of needle-5m"
  TokenPos tokens() const;
  int64_t native_context() const;
  int64_t window() const;
  ModelShape shape() const;
  // The first `tokens` tokens. REQUIRES: 1 <= tokens <= tokens().
  Result<LayerData> Read(TokenPos tokens) const;

 private:
  struct File;
  explicit RecordedLayer(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  std::shared_ptr<const File> file_;
};

}  // namespace quarry::bench
