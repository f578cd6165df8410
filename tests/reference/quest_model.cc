#include "tests/reference/quest_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quarry::reference {

double PageBound(const double* q, const Rows& keys, int kv_head, int64_t begin, int64_t end) {
  double bound = 0;
  for (int d = 0; d < keys.dim; ++d) {
    const double sign = q[d] > 0 ? 1 : -1;
    double largest = sign * keys.at(begin, kv_head)[d];
    for (int64_t t = begin + 1; t < end; ++t) {
      largest = std::max(largest, sign * keys.at(t, kv_head)[d]);
    }
    bound += std::abs(q[d]) * largest;
  }
  return bound;
}

namespace {

// The n highest of the first `candidates` scores; the earlier page of two equal ones.
std::vector<int64_t> Highest(const std::vector<double>& scores, int64_t candidates, int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(candidates));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(n));
  return order;
}

}  // namespace

std::vector<std::vector<int64_t>> QuestPageChoice(const QuestOptions& o, const double* q, int heads,
                                                  const Rows& keys, int64_t tokens) {
  const int64_t S = o.page_size, T = o.budget;
  const int64_t P = (tokens + S - 1) / S;
  const int group = heads / keys.heads;
  const int shared = o.group == QuestOptions::Group::kPerHead ? 1 : group;
  std::vector<std::vector<int64_t>> choice;
  for (int unit = 0; unit < heads / shared; ++unit) {
    std::vector<double> scores;
    for (int64_t p = 0; p < P; ++p) {
      double total = 0, largest = -INFINITY;
      for (int h = unit * shared; h < (unit + 1) * shared; ++h) {
        const double bound =
            PageBound(q + h * keys.dim, keys, h / group, p * S, std::min(tokens, (p + 1) * S));
        total += bound;
        largest = std::max(largest, bound);
      }
      scores.push_back(o.group == QuestOptions::Group::kMax ? largest : total / shared);
    }
    std::vector<int64_t> pages;
    if (o.eval) {
      pages = Highest(scores, P, std::min(P, std::max<int64_t>(3, std::min(tokens, T) / S)));
    } else if (P <= T / S) {
      pages = Highest(scores, P, P);
    } else {
      pages = Highest(scores, P - 1, T / S - 1);
      pages.push_back(P - 1);
    }
    std::sort(pages.begin(), pages.end());
    choice.push_back(pages);
  }
  return choice;
}

}  // namespace quarry::reference
