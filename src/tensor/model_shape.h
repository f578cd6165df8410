// The few numbers of a model that attention and the KV store need to know.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace quarry {

struct ModelShape {
  int layers = 0;
  int heads = 0;     // query heads
  int kv_heads = 0;  // divides heads
  int head_dim = 0;  // a multiple of 8, at most 256
  // Sliding windows of a model that was trained with them, per layer: the keys that a query sees,
  // itself included; 0 for all. Empty: all layers see everything.
  std::vector<int64_t> windows = {};

  // Query heads that share one KV head: query head h reads KV head h / group().
  int group() const { return heads / kv_heads; }
  int64_t window(int layer) const {
    return windows.empty() ? 0 : windows[static_cast<size_t>(layer)];
  }
  // Of all layers that slide; 0 if none does.
  int64_t smallest_window() const {
    int64_t smallest = 0;
    for (int64_t w : windows) {
      if (w > 0) smallest = smallest == 0 ? w : std::min(smallest, w);
    }
    return smallest;
  }
};

// What scores are multiplied with before the softmax.
inline float SoftmaxScale(int head_dim) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(head_dim)));
}

}  // namespace quarry
