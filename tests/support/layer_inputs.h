// Queries, keys and values for one attention layer, and runs of the layer over them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tensor/model_shape.h"
#include "tests/reference/masked_attention.h"
#include "tests/support/attention_bounds.h"
#include "tests/support/attention_fixture.h"

namespace quarry {

struct LayerInputs {
  ModelShape shape;
  int tokens = 0;
  std::vector<float> q;  // [tokens][heads][dim], not rotated
  std::vector<float> k;  // [tokens][kv_heads][dim], not rotated
  std::vector<float> v;  // [tokens][kv_heads][dim]

  int64_t q_width() const { return int64_t{shape.heads} * shape.head_dim; }
  int64_t kv_width() const { return int64_t{shape.kv_heads} * shape.head_dim; }
  reference::Rows q_rows() const;
  reference::Rows k_rows() const;
  reference::Rows v_rows() const;
  // The largest length of a head's vector, and the largest magnitude of a value.
  double q_norm() const;
  double k_norm() const;
  double v_max() const;
};

// Multiples of 1/32 up to `scale` (at most 127/32): exact in every KV type, so that only what is
// computed from them is rounded.
LayerInputs RandomInputs(Rng& rng, const ModelShape& shape, int tokens, double scale = 1.5);

// A shape with the heads, groups and head dimensions that models have, some odd ones among them.
ModelShape RandomShape(Rng& rng, int max_head_dim = 256);

// `tokens` cut into calls of 1 to `longest` tokens; every so often a run of single tokens.
std::vector<int> RandomCalls(Rng& rng, int tokens, int longest);

// The bounds of a layer over these inputs, of whose rows each has at most `keys` keys.
AttentionBounds BoundsOf(const LayerInputs& in, DType dtype, const kernels::KernelTable& kernels,
                         int64_t keys);

// "f32 scalar 4/2x24", for failure messages.
std::string Describe(const ModelShape& shape, DType dtype, const kernels::KernelTable& kernels);

// Feeds the next tokens of `in`, from layer.kv().size() on, in calls of the given lengths. Returns
// their rows, [sum of calls][heads * dim].
std::vector<float> Feed(OneLayer& layer, const LayerInputs& in, std::span<const int> calls,
                        RequestHints hints = {}, std::optional<Phase> phase = {});

// The next tokens of `in` up to `end`: those of the prompt (its first `prompt` tokens) in calls of
// random lengths, those behind it one by one, as an answer.
std::vector<float> FeedAnswer(OneLayer& layer, const LayerInputs& in, TokenPos prompt, TokenPos end,
                              Rng& rng);

}  // namespace quarry
