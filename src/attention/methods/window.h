// Sinks and a sliding window: StreamingLLM (arXiv:2309.17453) and LM-Infinite (arXiv:2308.16137).
// A query attends to the n_local tokens up to itself at their true distances, and to the first
// n_init tokens once they left that window; the two differ in the distance at which sinks are seen.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeStreamLlm(const StreamLlmConfig& config);
std::unique_ptr<const AttentionMethod> MakeInfiniteLm(const InfiniteLmConfig& config);

}  // namespace quarry
