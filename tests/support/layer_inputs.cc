#include "tests/support/layer_inputs.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace quarry {
namespace {

reference::Rows ToRows(const std::vector<float>& x, int tokens, int heads, int dim) {
  return {tokens, heads, dim, std::vector<double>(x.begin(), x.end())};
}

double LargestNorm(const std::vector<float>& x, int dim) {
  double largest = 0;
  for (size_t i = 0; i < x.size(); i += static_cast<size_t>(dim)) {
    double squares = 0;
    for (size_t c = i; c < i + static_cast<size_t>(dim); ++c) {
      squares += static_cast<double>(x[c]) * static_cast<double>(x[c]);
    }
    largest = std::max(largest, squares);
  }
  return std::sqrt(largest);
}

std::vector<float> Grid(Rng& rng, size_t n, double scale) {
  const auto steps = static_cast<int64_t>(scale * 32);
  std::vector<float> x(n);
  for (float& value : x) {
    value = static_cast<float>(
                static_cast<int64_t>(rng.Below(static_cast<uint64_t>(2 * steps + 1))) - steps) /
            32;
  }
  return x;
}

}  // namespace

reference::Rows LayerInputs::q_rows() const {
  return ToRows(q, tokens, shape.heads, shape.head_dim);
}
reference::Rows LayerInputs::k_rows() const {
  return ToRows(k, tokens, shape.kv_heads, shape.head_dim);
}
reference::Rows LayerInputs::v_rows() const {
  return ToRows(v, tokens, shape.kv_heads, shape.head_dim);
}
double LayerInputs::q_norm() const { return LargestNorm(q, shape.head_dim); }
double LayerInputs::k_norm() const { return LargestNorm(k, shape.head_dim); }
double LayerInputs::v_max() const {
  float largest = 0;
  for (float x : v) largest = std::max(largest, std::abs(x));
  return static_cast<double>(largest);
}

LayerInputs RandomInputs(Rng& rng, const ModelShape& shape, int tokens, double scale) {
  LayerInputs in;
  in.shape = shape;
  in.tokens = tokens;
  in.q = Grid(rng, static_cast<size_t>(tokens * in.q_width()), scale);
  in.k = Grid(rng, static_cast<size_t>(tokens * in.kv_width()), scale);
  in.v = Grid(rng, static_cast<size_t>(tokens * in.kv_width()), scale);
  return in;
}

ModelShape RandomShape(Rng& rng, int max_head_dim) {
  constexpr int kHeads[] = {1, 2, 4, 6, 8};
  constexpr int kDims[] = {8, 16, 24, 32, 40, 64, 80, 96, 128, 160, 192, 256};
  const int heads = kHeads[rng.Below(std::size(kHeads))];
  int kv_heads = 0;
  do {
    kv_heads = 1 + static_cast<int>(rng.Below(static_cast<uint64_t>(heads)));
  } while (heads % kv_heads != 0);
  int dim = 0;
  do {
    dim = kDims[rng.Below(std::size(kDims))];
  } while (dim > max_head_dim);
  return {1, heads, kv_heads, dim};
}

std::vector<int> RandomCalls(Rng& rng, int tokens, int longest) {
  std::vector<int> calls;
  const auto add = [&](int n) {
    n = std::min(n, tokens);
    if (n > 0) calls.push_back(n);
    tokens -= n;
  };
  while (tokens > 0) {
    if (rng.Below(3) == 0) {
      for (uint64_t i = rng.Below(6); i > 0; --i) add(1);
    } else {
      add(1 + static_cast<int>(rng.Below(static_cast<uint64_t>(longest))));
    }
  }
  return calls;
}

AttentionBounds BoundsOf(const LayerInputs& in, DType dtype, const kernels::KernelTable& kernels,
                         int64_t keys) {
  return BoundsOf({.dtype = dtype,
                   .kernels = &kernels,
                   .head_dim = in.shape.head_dim,
                   .keys = keys,
                   .q_norm = in.q_norm(),
                   .k_norm = in.k_norm(),
                   .v_max = in.v_max()});
}

std::string Describe(const ModelShape& shape, DType dtype, const kernels::KernelTable& kernels) {
  return fmt::format("{} {} {}/{}x{}", DTypeName(dtype), kernels.isa, shape.heads, shape.kv_heads,
                     shape.head_dim);
}

std::vector<float> Feed(OneLayer& layer, const LayerInputs& in, std::span<const int> calls,
                        RequestHints hints, std::optional<Phase> phase) {
  std::vector<float> out;
  for (int n : calls) {
    const int64_t t = layer.kv().size();
    const auto rows = layer.Call(in.q.data() + t * in.q_width(), in.k.data() + t * in.kv_width(),
                                 in.v.data() + t * in.kv_width(), n, hints, phase);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

std::vector<float> FeedAnswer(OneLayer& layer, const LayerInputs& in, TokenPos prompt, TokenPos end,
                              Rng& rng) {
  std::vector<float> out;
  const TokenPos begin = layer.kv().size();
  if (begin < prompt) {
    out = Feed(layer, in, RandomCalls(rng, static_cast<int>(std::min(prompt, end) - begin), 90), {},
               Phase::kPrefill);
  }
  const auto steps = static_cast<size_t>(std::max<TokenPos>(0, end - layer.kv().size()));
  const auto answer = Feed(layer, in, std::vector<int>(steps, 1), {}, Phase::kDecode);
  out.insert(out.end(), answer.begin(), answer.end());
  return out;
}

}  // namespace quarry
