// Partial attention of `rows` queries over some of their keys, natural base:
//   m[rows]              largest scaled score, -inf if no key was seen
//   d[rows]              sum of exp(score - m)
//   o[rows][o_stride]    sum of exp(score - m) * value, not normalised
// The empty partial (-inf, 0, 0) is neutral, and merging two empty ones is empty, not NaN.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace quarry {

struct PartialView {
  float* m = nullptr;
  float* d = nullptr;
  float* o = nullptr;
  int rows = 0;
  int o_stride = 0;

  void SetEmpty() const {
    std::fill(m, m + rows, -std::numeric_limits<float>::infinity());
    std::fill(d, d + rows, 0.0f);
    std::fill(o, o + static_cast<int64_t>(rows) * o_stride, 0.0f);
  }
};

// into = attention over the keys of both. REQUIRES: equal shapes, disjoint keys.
inline void Merge(const PartialView& into, const PartialView& from) {
  for (int r = 0; r < into.rows; ++r) {
    const float m = std::max(into.m[r], from.m[r]);
    if (std::isinf(m)) continue;  // both empty: exp(-inf - -inf) would be NaN
    const float a = std::exp(into.m[r] - m);
    const float b = std::exp(from.m[r] - m);
    into.m[r] = m;
    into.d[r] = into.d[r] * a + from.d[r] * b;
    float* o = into.o + static_cast<int64_t>(r) * into.o_stride;
    const float* p = from.o + static_cast<int64_t>(r) * from.o_stride;
    for (int i = 0; i < into.o_stride; ++i) o[i] = o[i] * a + p[i] * b;
  }
}

}  // namespace quarry
