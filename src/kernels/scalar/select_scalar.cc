#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels::scalar {

void KeyRange(DType type, const void* panel, int head_dim, int begin, int end, float* low,
              float* high) {
  for (int d = 0; d < head_dim; ++d) {
    for (int lane = begin; lane < end; ++lane) {
      const float key = LoadKey(type, panel, head_dim, lane, d);
      low[d] = std::min(low[d], key);
      high[d] = std::max(high[d], key);
    }
  }
}

void PageBounds(const PageBoundArgs& a) {
  for (int r = 0; r < a.rows; ++r) {
    for (int lane = 0; lane < kPanelTokens; ++lane) {
      float sum = 0;
      for (int d = 0; d < a.head_dim; ++d) {
        sum += a.up[r * a.head_dim + d] * LoadKey(a.dtype, a.high, a.head_dim, lane, d);
        sum += a.down[r * a.head_dim + d] * LoadKey(a.dtype, a.low, a.head_dim, lane, d);
      }
      a.scores[r * a.stride + lane] = sum;
    }
  }
}

// A heap of the best k so far, worst on top. Candidates come in ascending order, so that one that
// only equals the worst loses.
void TopK(const float* scores, int64_t n, int64_t k, int32_t* out) {
  const auto value = [&](int32_t i) {
    return std::isnan(scores[i]) ? -std::numeric_limits<float>::infinity() : scores[i];
  };
  // A NaN is worse than -inf.
  const auto better = [&](int32_t a, int32_t b) {
    if (value(a) != value(b)) return value(a) > value(b);
    if (std::isnan(scores[a]) != std::isnan(scores[b])) return std::isnan(scores[b]);
    return a < b;
  };
  int64_t size = 0;
  for (int32_t i = 0; i < n && k > 0; ++i) {
    if (size < k) {
      out[size++] = i;
      std::push_heap(out, out + size, better);
    } else if (better(i, out[0])) {
      std::pop_heap(out, out + size, better);
      out[size - 1] = i;
      std::push_heap(out, out + size, better);
    }
  }
  std::sort(out, out + size);
}

}  // namespace quarry::kernels::scalar
