// The fast tier in front of a context memory: which blocks are held close, by an eviction rule, and
// how often that helped. It decides and counts; moving bytes is the business of whoever owns the
// tiers, which Select tells what to load and what to drop.
//
// Rules (docs/methods/inf-llm.md):
//   lru    value = counter of the step that selected the block last
//   lru-s  value = attention mass since the last selection, decayed at every step
//   fifo   value = counter of the step that loaded the block
// The block of least value goes first; equal values go in the order in which they came in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/attention_config.h"

namespace quarry {

class BlockCache {
 public:
  // REQUIRES: capacity >= the number of blocks ever selected at once.
  BlockCache(CachePolicy policy, int64_t capacity, double decay);

  // One step selected `blocks` (in the order in which missing ones are loaded): evicts as many as
  // must go, then holds all of them. The spans are valid until the next call.
  struct Change {
    std::span<const int64_t> loaded;
    std::span<const int64_t> evicted;
  };
  Change Select(std::span<const int64_t> blocks);

  // After attention, lru-s only: every value decays, then block blocks[i] gains mass[i].
  void AddMass(std::span<const int64_t> blocks, std::span<const double> mass);

  struct Entry {
    int64_t block;
    double value;
  };
  // In the order in which they came in.
  std::span<const Entry> entries() const { return entries_; }
  int64_t hits() const { return hits_; }
  int64_t lookups() const { return lookups_; }
  int64_t evictions() const { return evictions_; }

 private:
  void Evict(std::span<const int64_t> keep, int64_t n);

  CachePolicy policy_;
  int64_t capacity_;
  double decay_;
  int64_t step_ = 0;
  std::vector<Entry> entries_;
  std::vector<int64_t> loaded_, evicted_;
  int64_t hits_ = 0, lookups_ = 0, evictions_ = 0;
};

}  // namespace quarry
