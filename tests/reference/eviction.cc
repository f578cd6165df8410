#include "tests/reference/eviction.h"

#include <algorithm>

namespace quarry::reference {

std::vector<int64_t> EvictionModel::Select(const std::vector<int64_t>& blocks) {
  ++step_;
  const auto selected = [&](int64_t block) {
    return std::find(blocks.begin(), blocks.end(), block) != blocks.end();
  };
  const auto is_held = [&](int64_t block) {
    return std::any_of(held_.begin(), held_.end(), [&](const Held& h) { return h.block == block; });
  };
  int64_t missing = 0;
  for (int64_t b : blocks) missing += is_held(b) ? 0 : 1;
  int64_t surplus = static_cast<int64_t>(held_.size()) + missing - capacity_;

  std::vector<Held> by_value = held_;
  std::stable_sort(by_value.begin(), by_value.end(),
                   [](const Held& a, const Held& b) { return a.value < b.value; });
  std::vector<int64_t> evicted;
  for (const Held& h : by_value) {
    if (surplus <= 0) break;
    if (selected(h.block)) continue;
    evicted.push_back(h.block);
    --surplus;
  }
  std::erase_if(held_, [&](const Held& h) {
    return std::find(evicted.begin(), evicted.end(), h.block) != evicted.end();
  });

  for (Held& h : held_) {
    if (!selected(h.block)) continue;
    if (rule_ == Eviction::kLru) h.value = static_cast<double>(step_);
    if (rule_ == Eviction::kLruS) h.value = 0;
  }
  for (int64_t b : blocks) {
    if (!is_held(b)) held_.push_back({b, rule_ == Eviction::kLruS ? 0.0 : double(step_)});
  }
  return evicted;
}

void EvictionModel::AddMass(const std::map<int64_t, double>& mass) {
  if (rule_ != Eviction::kLruS) return;
  for (Held& h : held_) {
    h.value *= decay_;
    const auto it = mass.find(h.block);
    if (it != mass.end()) h.value += it->second;
  }
}

}  // namespace quarry::reference
