// A set of byte strings with values, searched for those that begin a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/hash_seed.h"

namespace quarry::text {

// Immutable after building; safe to read from any number of threads.
class PrefixTrie {
 public:
  PrefixTrie();

  bool empty() const { return nodes_ == 1; }
  // Adds `key`, which must not be empty. A key that is there already keeps its first value, unless
  // `replace`.
  void Insert(std::string_view key, int32_t value, bool replace = false);

  // Whether some key begins with `byte`.
  bool CanBegin(unsigned char byte) const { return root_[byte] != 0; }

  // Calls visit(length, value) for each key that begins `text`, from short to long.
  template <typename Visit>
  void Prefixes(std::string_view text, Visit visit) const {
    if (text.empty()) return;
    uint32_t node = root_[static_cast<unsigned char>(text[0])];
    for (size_t i = 1; node != 0; ++i) {
      if (values_[node] != kNoValue) visit(i, values_[node]);
      if (i == text.size()) return;
      node = Child(node, static_cast<unsigned char>(text[i]));
    }
  }

  struct Hit {
    size_t length = 0;  // 0: none
    int32_t value = 0;
  };
  Hit Longest(std::string_view text) const {
    Hit hit;
    Prefixes(text, [&](size_t length, int32_t value) { hit = {length, value}; });
    return hit;
  }

 private:
  static constexpr int32_t kNoValue = INT32_MIN;
  struct Edge {
    uint32_t node = 0;  // 0: a free slot, since the root has its own table
    uint32_t child = 0;
    unsigned char byte = 0;
  };
  uint32_t Child(uint32_t node, unsigned char byte) const {
    if (edges_.empty()) return 0;
    for (size_t i = Hash(node, byte) & mask_;; i = (i + 1) & mask_) {
      const Edge& e = edges_[i];
      if (e.node == 0) return 0;
      if (e.node == node && e.byte == byte) return e.child;
    }
  }
  size_t Hash(uint32_t node, unsigned char byte) const {
    return seed_.Hash(static_cast<uint64_t>(node) << 8 | byte);
  }
  void AddEdge(uint32_t node, unsigned char byte, uint32_t child);

  std::vector<uint32_t> root_;  // by byte; 0: none
  std::vector<Edge> edges_;     // open addressing, a power of two
  size_t mask_ = 0;
  size_t n_edges_ = 0;
  std::vector<int32_t> values_;  // by node
  uint32_t nodes_ = 1;
  HashSeed seed_ = HashSeed::Random();
};

}  // namespace quarry::text
