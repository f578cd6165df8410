#include "text/jinja/dict.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "text/jinja/compare.h"

namespace quarry::jinja {

Dict::Dict(Heap* heap, std::vector<Entry> entries, std::vector<uint32_t> order, int depth)
    : Object(heap, sizeof(Dict) + entries.capacity() * sizeof(Entry) +
                       order.capacity() * sizeof(uint32_t)),
      entries_(std::move(entries)),
      order_(std::move(order)),
      depth_(depth) {}

const Value* Dict::Find(std::string_view key) const {
  const auto it =
      std::lower_bound(order_.begin(), order_.end(), key, [&](uint32_t e, std::string_view k) {
        return CompareKeyToText(*heap(), entries_[e].first, k) < 0;
      });
  if (it == order_.end() || CompareKeyToText(*heap(), entries_[*it].first, key) != 0)
    return nullptr;
  return &entries_[*it].second;
}

const Value* Dict::Find(const Value& key) const {
  CheckHashable(key);
  const auto it = std::lower_bound(
      order_.begin(), order_.end(), key,
      [&](uint32_t e, const Value& k) { return CompareKeys(*heap(), entries_[e].first, k) < 0; });
  if (it == order_.end() || CompareKeys(*heap(), entries_[*it].first, key) != 0) return nullptr;
  return &entries_[*it].second;
}

void DictBuilder::Set(const Value& key, Value value) {
  CheckHashable(key);
  heap_.Step();
  if ((entries_.size() + 1) * sizeof(Dict::Entry) > counted_) {
    const size_t room = std::max<size_t>(4, 2 * entries_.size()) * sizeof(Dict::Entry);
    heap_.Allocate(room - counted_);
    counted_ = room;
  }
  entries_.emplace_back(key, std::move(value));
}

void DictBuilder::SetAll(const Dict& from) {
  for (const auto& [key, value] : from.entries()) Set(key, value);
}

Value DictBuilder::Finish() {
  std::vector<uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return CompareKeys(heap_, entries_[a].first, entries_[b].first) < 0;
  });
  // Of equal keys the first gives the place and the key, the last the value.
  std::vector<uint32_t> unique;
  bool repeats = false;
  for (uint32_t e : order) {
    if (!unique.empty() &&
        CompareKeys(heap_, entries_[unique.back()].first, entries_[e].first) == 0) {
      entries_[unique.back()].second = std::move(entries_[e].second);
      entries_[e].first = Value();
      repeats = true;
    } else {
      unique.push_back(e);
    }
  }
  if (repeats) {
    std::vector<uint32_t> moved(entries_.size());
    uint32_t kept = 0;
    for (uint32_t e = 0; e < entries_.size(); ++e) {
      moved[e] = kept;
      if (!entries_[e].first.missing()) ++kept;
    }
    std::erase_if(entries_, [](const Dict::Entry& e) { return e.first.missing(); });
    for (uint32_t& e : unique) e = moved[e];
  }
  int depth = 1;
  for (const auto& [key, value] : entries_) {
    depth = std::max({depth, 1 + key.depth(), 1 + value.depth()});
  }
  heap_.CheckDepth(depth);
  heap_.Release(std::exchange(counted_, 0));
  return Value::Of(
      std::shared_ptr<const Dict>(new Dict(&heap_, std::move(entries_), std::move(unique), depth)));
}

}  // namespace quarry::jinja
