#include "attention/methods/prefill.h"

#include <algorithm>

#include <fmt/format.h>

namespace quarry {

std::vector<std::string> CheckStartingLayer(int64_t starting_layer, const ModelShape& shape) {
  if (starting_layer < shape.layers) return {};
  return {fmt::format("starting_layer is {}, must be below {}, the model's layers", starting_layer,
                      shape.layers)};
}

void PlanBlockRows(const PlanInput& in, int head, int64_t block_size, const BlockRows& rows,
                   AttentionPlan& plan) {
  const int64_t first_block = in.call_begin / block_size;
  const TokenPos stop = in.first + in.n_rows;
  for (TokenPos p = in.first; p < stop;) {
    const TokenPos end = std::min((p / block_size + 1) * block_size, stop);
    plan.Add({.heads = {head, head + 1},
              .rows = {static_cast<int>(p - in.first), static_cast<int>(end - in.first)},
              .mask = Mask::Causal(),
              .position = PositionRule::Absolute()});
    const auto row = static_cast<size_t>(p / block_size - first_block);
    for (size_t i = rows.ptr[row]; i < rows.ptr[row + 1]; ++i) {
      const TokenPos begin = rows.blocks[i] * block_size;
      plan.AddSpan({begin, std::min(begin + block_size, end)});
    }
    p = end;
  }
}

}  // namespace quarry
