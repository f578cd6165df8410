// Which blocks a cache of a context memory holds: the rules of InfLLM's block cache, written for
// reading. Values only decide what goes; outputs of attention never depend on them.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace quarry::reference {

enum class Eviction { kLru, kLruS, kFifo };

class EvictionModel {
 public:
  EvictionModel(Eviction rule, int64_t capacity, double decay)
      : rule_(rule), capacity_(capacity), decay_(decay) {}

  // A step selects blocks, missing ones being loaded in this order. Returns what goes, in the order
  // of going: enough of the blocks not selected that all fit, least value first, among equal
  // values the one that came first.
  std::vector<int64_t> Select(const std::vector<int64_t>& blocks);
  // lru-s, after attention: all values decay, then each selected block gains its probability mass.
  void AddMass(const std::map<int64_t, double>& mass);

  struct Held {
    int64_t block;
    double value;
  };
  // In the order in which they came.
  const std::vector<Held>& held() const { return held_; }

 private:
  Eviction rule_;
  int64_t capacity_;
  double decay_;
  int64_t step_ = 0;
  std::vector<Held> held_;
};

}  // namespace quarry::reference
