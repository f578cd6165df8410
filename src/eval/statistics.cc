#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quarry::eval {

Interval WilsonInterval(double successes, int64_t trials) {
  if (trials <= 0) return {};
  constexpr double kZ = 1.959963984540054;  // 97.5 % quantile of the normal distribution
  const auto n = static_cast<double>(trials);
  const double p = successes / n;
  const double denominator = 1 + kZ * kZ / n;
  const double centre = (p + kZ * kZ / (2 * n)) / denominator;
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / denominator;
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

double Mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<int64_t> RoundedLinspace(double low, double high, int64_t n) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) {
    const double step = n > 1 ? (high - low) / static_cast<double>(n - 1) : 0;
    const double x = i + 1 == n && n > 1 ? high : low + static_cast<double>(i) * step;
    out.push_back(std::llrint(x));
  }
  return out;
}

}  // namespace quarry::eval
