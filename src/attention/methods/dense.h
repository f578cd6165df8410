// Dense causal attention: every earlier token at its true distance.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeDense(const DenseConfig& config);

}  // namespace quarry
