// Documents with sentences planted in them, sized in tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/task.h"

namespace quarry::eval {

struct Plant {
  std::string text;
  double depth = 0;  // percent of the haystack's tokens
};

// `n_tokens` tokens of haystack and plants together. The haystack is read from token `start`,
// starting over at its end. A plant of depth 100 stands at the end; any other at its share of the
// haystack, moved left to follow a token that ends with a full stop (or to the beginning).
// Errors: the plants alone take more than n_tokens.
Result<std::string> PlantDocument(const TaskContext& context, int64_t n_tokens, int64_t start,
                                  std::span<const Plant> plants);

// Makes `document` of the sample from plants so that prompt (with the question both before and
// after the document, as some methods want it) and answer fill `length` as far as they fit.
Status FitDocument(const TaskContext& context, int64_t length, int64_t start,
                   std::span<const Plant> plants, Sample& sample);

}  // namespace quarry::eval
