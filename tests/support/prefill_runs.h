// One layer over queries and keys that are rotated already, with the plans behind its output.
#pragma once

#include <functional>
#include <vector>

#include "tests/support/attention_fixture.h"

namespace quarry {

class PrefilledLayer {
 public:
  // q: [tokens][heads * dim]; k, v: [tokens][kv_heads * dim]. The whole is one call.
  PrefilledLayer(const AttentionConfig& config, const ModelShape& shape, DType dtype, int tokens,
                 std::vector<float> q, const std::vector<float>& k, const std::vector<float>& v,
                 const kernels::KernelTable* kernels = nullptr, int threads = 2);

  const std::vector<float>& out() const { return out_; }
  OneLayer& layer() { return layer_; }
  ExecContext& context() { return layer_.context(); }

  // What a method's Plan gets for the whole call.
  PlanInput Input(TokenPos first = 0, int rows = -1) const;
  // Plans the call again, execution block by execution block.
  void ForEachPlan(const std::function<void(const AttentionPlan&, TokenPos first, int rows)>& f);
  // Keys that each query sees: [heads][tokens].
  std::vector<int64_t> KeyCounts();

 private:
  ModelShape shape_;
  DType dtype_;
  int tokens_;
  std::vector<float> q_, out_;
  std::vector<float> cos_, sin_;
  Rope rope_;
  OneLayer layer_;
};

// Keys that the query of `head` in row `row` (at position first + row) sees, ascending within each
// segment.
std::vector<TokenPos> VisibleKeys(const AttentionPlan& plan, TokenPos first, int row, int head);

// [heads][tokens][dim] to [tokens][heads][dim].
std::vector<float> TokenMajor(const std::vector<float>& x, int64_t heads, int64_t tokens,
                              int64_t dim);

}  // namespace quarry
