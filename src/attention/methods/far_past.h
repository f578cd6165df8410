// What methods have in common that see the past behind a window from one distance: InfLLM, Q-LLM
// and InfQuest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attention/method.h"

namespace quarry {

// Why a model whose layers see fewer tokens than `tokens`, the value of option `name`, cannot be
// run; empty if it can.
std::vector<std::string> CheckModelWindow(std::string_view name, int64_t tokens,
                                          const ModelShape& shape);

// Mean over the block's rows of the queries, rotated to distance n_local - 1: [heads][head_dim], in
// ctx.scratch(). Rotation at one position is linear, so that the mean is rotated once.
std::span<const float> MeanFarQuery(const PlanInput& in, int64_t n_local, ExecContext& ctx);

}  // namespace quarry
