// Dictionaries in the order of insertion, with Python's idea of equal keys: 1, 1.0 and True are
// one. Lookup is by binary search, so no choice of keys makes it slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Dict : public Object {
 public:
  using Entry = std::pair<Value, Value>;

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  // Null if absent.
  const Value* Find(std::string_view key) const;
  // Throws kType if `key` may not be a key.
  const Value* Find(const Value& key) const;
  int depth() const override { return depth_; }

 private:
  friend class DictBuilder;
  Dict(Heap* heap, std::vector<Entry> entries, std::vector<uint32_t> order, int depth);

  std::vector<Entry> entries_;
  std::vector<uint32_t> order_;  // indexes of entries_ by ascending key
  int depth_;
};

class DictBuilder {
 public:
  explicit DictBuilder(Heap& heap) : heap_(heap) {}
  DictBuilder(const DictBuilder&) = delete;
  DictBuilder& operator=(const DictBuilder&) = delete;
  ~DictBuilder() { heap_.Release(counted_); }

  // A key that is there keeps its place and gets the new value. Throws kType if `key` may not be
  // a key.
  void Set(const Value& key, Value value);
  void Set(std::string_view key, Value value) { Set(MakeStr(heap_, key), std::move(value)); }
  void SetAll(const Dict& from);
  Value Finish();

 private:
  Heap& heap_;
  size_t counted_ = 0;
  std::vector<Dict::Entry> entries_;  // in order of Set, keys may repeat
};

}  // namespace quarry::jinja
