// From log-probabilities to perplexity.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace quarry::eval {

// exp of the mean of -log p over the tokens after the first, as MInference takes it: in chunks of
// 10000 tokens, the first of each later chunk not counted. logprobs: [i] is that of token i + 1.
double PerplexityOf(std::span<const float> logprobs);

// (t, exp of the mean of the first t losses), at about `points` places, the last included.
std::vector<std::pair<double, double>> RunningPerplexity(std::span<const double> losses,
                                                         size_t points);

}  // namespace quarry::eval
