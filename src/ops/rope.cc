#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace quarry {
namespace {
// Between exact angles, cos and sin advance by a rotation in double; 64 steps lose 1e-14.
constexpr int64_t kExactEvery = 64;
}  // namespace

Rope::Rope(std::vector<double> frequencies, double magnitude, int head_dim)
    : frequencies_(std::move(frequencies)), magnitude_(magnitude), head_dim_(head_dim) {}

void Rope::Angles(int64_t first, int64_t n, float* cos, float* sin) const {
  const size_t half = frequencies_.size();
  for (size_t p = 0; p < half; ++p) {
    const double step_cos = std::cos(frequencies_[p]);
    const double step_sin = std::sin(frequencies_[p]);
    double c = 0, s = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (i % kExactEvery == 0) {
        const double angle = static_cast<double>(first + i) * frequencies_[p];
        c = std::cos(angle);
        s = std::sin(angle);
      } else {
        const double next = c * step_cos - s * step_sin;
        s = s * step_cos + c * step_sin;
        c = next;
      }
      const size_t at = static_cast<size_t>(i) * half + p;
      cos[at] = static_cast<float>(c * magnitude_);
      sin[at] = static_cast<float>(s * magnitude_);
    }
  }
}

void Rope::Rotate(const kernels::KernelTable& kernels, const float* x, const float* cos,
                  const float* sin, float* out) const {
  kernels.rotate_halves(x, cos, sin, pairs(), out);
  if (out != x) std::copy(x + 2 * pairs(), x + head_dim_, out + 2 * pairs());
}

void Rope::RotateForRawKeys(const kernels::KernelTable& kernels, const float* x, const float* cos,
                            const float* sin, float* out) const {
  Rotate(kernels, x, cos, sin, out);
  if (magnitude_ == 1.0) return;
  for (int i = 0; i < 2 * pairs(); ++i) out[i] *= static_cast<float>(magnitude_);
}

}  // namespace quarry
