#include "tests/reference/eviction_cache.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quarry::reference {

EvictionCache::EvictionCache(const EvictionOptions& options, const Rotation& rotation, Rows q,
                             Rows k, Rows v)
    : o_(options),
      rotation_(rotation),
      q_(std::move(q)),
      k_(std::move(k)),
      v_(std::move(v)),
      units_(o_.tova ? 1 : static_cast<size_t>(k_.heads)),
      closest_(INFINITY) {}

void EvictionCache::Skip(int64_t n) {
  for (int64_t t = length_; t < length_ + n; ++t) {
    for (Kept& unit : units_) {
      unit.tokens.push_back(t);
      unit.scores.push_back(0);
    }
  }
  length_ += n;
}

void EvictionCache::Attend(int64_t n) {
  const int64_t first = length_;
  Skip(n);
  const int group = q_.heads / k_.heads;
  for (int64_t p = first; p < first + n; ++p) {
    for (Kept& unit : units_) {
      if (o_.tova) std::fill(unit.scores.begin(), unit.scores.end(), 0.0);
    }
    for (int h = 0; h < q_.heads; ++h) {
      Kept& unit = units_[o_.tova ? 0 : static_cast<size_t>(h / group)];
      std::vector<Term> terms;
      for (int64_t t : unit.tokens) {
        if (t <= p) terms.push_back({t, p - t});
      }
      const Attention a = MaskedAttention(rotation_, q_.at(p, h), k_, v_, h / group, terms);
      out_.insert(out_.end(), a.out.begin(), a.out.end());
      for (size_t i = 0; i < terms.size(); ++i) unit.scores[i] += a.probability[i];
    }
  }
  judged_ = true;
}

void EvictionCache::Prompt(int64_t n) { Attend(n); }

void EvictionCache::Step() {
  if (judged_) Drop();
  Attend(1);
  Drop();
}

std::vector<EvictionCache::Kept> EvictionCache::Settled() const {
  EvictionCache copy = *this;
  if (copy.judged_) copy.Drop();
  return copy.units_;
}

void EvictionCache::Drop() {
  judged_ = false;
  for (Kept& unit : units_) {
    const auto size = static_cast<int64_t>(unit.tokens.size());
    if (size <= Capacity()) continue;
    const int64_t recent = o_.tova ? 0 : o_.recent;
    const int64_t best = Capacity() - recent;
    std::vector<int64_t> order(static_cast<size_t>(size - recent));
    std::iota(order.begin(), order.end(), 0);
    const auto score = [&](int64_t i) { return unit.scores[static_cast<size_t>(i)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return score(a) > score(b); });
    if (best > 0) {
      closest_ = std::min(closest_, score(order[static_cast<size_t>(best - 1)]) -
                                        score(order[static_cast<size_t>(best)]));
    }
    order.resize(static_cast<size_t>(best));
    for (int64_t i = size - recent; i < size; ++i) order.push_back(i);
    std::sort(order.begin(), order.end());
    Kept next;
    for (int64_t i : order) {
      next.tokens.push_back(unit.tokens[static_cast<size_t>(i)]);
      next.scores.push_back(score(i));
    }
    unit = next;
  }
}

}  // namespace quarry::reference
