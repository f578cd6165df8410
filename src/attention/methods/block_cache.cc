#include "attention/methods/block_cache.h"

#include <algorithm>

#include "base/check.h"

namespace quarry {

BlockCache::BlockCache(CachePolicy policy, int64_t capacity, double decay)
    : policy_(policy), capacity_(capacity), decay_(decay) {}

BlockCache::Change BlockCache::Select(std::span<const int64_t> blocks) {
  ++step_;
  loaded_.clear();
  evicted_.clear();
  const auto find = [&](int64_t block) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& e) { return e.block == block; });
  };
  for (int64_t b : blocks) {
    if (find(b) == entries_.end()) loaded_.push_back(b);
  }
  lookups_ += static_cast<int64_t>(blocks.size());
  hits_ += static_cast<int64_t>(blocks.size() - loaded_.size());
  Evict(blocks, static_cast<int64_t>(entries_.size() + loaded_.size()) - capacity_);

  for (int64_t b : blocks) {
    const auto it = find(b);
    if (policy_ == CachePolicy::kFifo) {
      if (it == entries_.end()) entries_.push_back({b, static_cast<double>(step_)});
      continue;
    }
    // lru-s starts anew at every selection, as the authors' code does.
    const double value = policy_ == CachePolicy::kLru ? static_cast<double>(step_) : 0.0;
    if (it != entries_.end()) {
      it->value = value;
    } else {
      entries_.push_back({b, value});
    }
  }
  return {loaded_, evicted_};
}

void BlockCache::Evict(std::span<const int64_t> keep, int64_t n) {
  for (; n > 0; --n) {
    auto victim = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (std::find(keep.begin(), keep.end(), it->block) != keep.end()) continue;
      if (victim == entries_.end() || it->value < victim->value) victim = it;
    }
    QUARRY_CHECK(victim != entries_.end(), "more blocks selected than the cache can hold");
    evicted_.push_back(victim->block);
    entries_.erase(victim);
    ++evictions_;
  }
}

void BlockCache::AddMass(std::span<const int64_t> blocks, std::span<const double> mass) {
  if (policy_ != CachePolicy::kLruS) return;
  for (Entry& e : entries_) {
    e.value *= decay_;
    const auto at = std::find(blocks.begin(), blocks.end(), e.block);
    if (at != blocks.end()) e.value += mass[static_cast<size_t>(at - blocks.begin())];
  }
}

}  // namespace quarry
