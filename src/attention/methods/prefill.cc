#include "attention/methods/prefill.h"

#include <fmt/format.h>

namespace quarry {

std::vector<std::string> CheckStartingLayer(int64_t starting_layer, const ModelShape& shape) {
  if (starting_layer < shape.layers) return {};
  return {fmt::format("starting_layer is {}, must be below {}, the model's layers", starting_layer,
                      shape.layers)};
}

}  // namespace quarry
