// From log-probabilities to perplexity.
#pragma once

#include <span>

namespace quarry::eval {

// exp of the mean of -log p over the tokens after the first, as MInference takes it: in chunks of
// 10000 tokens, the first of each later chunk not counted. logprobs: [i] is that of token i + 1.
double PerplexityOf(std::span<const float> logprobs);

}  // namespace quarry::eval
