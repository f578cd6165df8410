#include "attention/select_top.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace quarry {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

float Ranked(float x) { return std::isnan(x) ? kLowest : x; }

// Below this many candidates a sort is the quickest way to the end.
constexpr ptrdiff_t kFew = 64;

}  // namespace

void TopIndices(std::span<const float> scores, int64_t k, std::vector<int32_t>& out) {
  out.clear();
  const auto n = static_cast<int64_t>(scores.size());
  if (k <= 0) return;
  if (k >= n) {
    out.resize(scores.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int32_t>(i);
    return;
  }
  std::vector<float> ranked(scores.size());
  std::transform(scores.begin(), scores.end(), ranked.begin(), Ranked);
  std::nth_element(ranked.begin(), ranked.begin() + (k - 1), ranked.end(), std::greater<>());
  const float border = ranked[static_cast<size_t>(k - 1)];
  // Of those that equal the k-th, the first ones fill what the larger ones leave.
  int64_t equal =
      k - std::count_if(ranked.begin(), ranked.begin() + k, [&](float x) { return x > border; });
  out.reserve(static_cast<size_t>(k));
  for (int64_t i = 0; i < n; ++i) {
    const float x = Ranked(scores[static_cast<size_t>(i)]);
    if (x > border || (x == border && equal-- > 0)) out.push_back(static_cast<int32_t>(i));
  }
}

Prefix LargestWithin(std::span<const float> scores, double limit) {
  // Halves by the median: the larger half is either all of the run, or holds its end.
  std::vector<float> work(scores.begin(), scores.end());
  Prefix p = {0, 0, kLowest};
  auto begin = work.begin();
  auto end = work.end();
  while (end - begin > kFew) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, std::greater<>());
    double sum = 0;
    for (auto it = begin; it != middle; ++it) sum += static_cast<double>(*it);
    if (p.sum + sum <= limit) {
      p.count += middle - begin;
      p.sum += sum;
      begin = middle;
    } else {
      p.border = *middle;
      end = middle;
    }
  }
  std::sort(begin, end, std::greater<>());
  for (; begin != end; ++begin) {
    if (p.sum + static_cast<double>(*begin) > limit) {
      p.border = *begin;
      return p;
    }
    p.sum += static_cast<double>(*begin);
    ++p.count;
  }
  return p;
}

int64_t CountToReach(std::span<const float> scores, double target) {
  const auto n = static_cast<int64_t>(scores.size());
  if (target <= 0) return 0;
  // The run that stays strictly below the target, and the score that crosses it.
  const Prefix p = LargestWithin(scores, std::nextafter(target, 0.0));
  return std::min(n, p.count + 1);
}

}  // namespace quarry
