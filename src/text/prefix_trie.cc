#include "text/prefix_trie.h"

#include <algorithm>

namespace quarry::text {

PrefixTrie::PrefixTrie() : root_(256, 0), values_(1, kNoValue) {}

void PrefixTrie::AddEdge(uint32_t node, unsigned char byte, uint32_t child) {
  if (2 * (n_edges_ + 1) > edges_.size()) {
    std::vector<Edge> old(std::max<size_t>(64, edges_.size() * 2));
    old.swap(edges_);
    mask_ = edges_.size() - 1;
    n_edges_ = 0;
    for (const Edge& e : old) {
      if (e.node != 0) AddEdge(e.node, e.byte, e.child);
    }
  }
  size_t i = Hash(node, byte) & mask_;
  while (edges_[i].node != 0) i = (i + 1) & mask_;
  edges_[i] = {node, child, byte};
  ++n_edges_;
}

void PrefixTrie::Insert(std::string_view key, int32_t value, bool replace) {
  uint32_t node = 0;
  for (size_t i = 0; i < key.size(); ++i) {
    const auto byte = static_cast<unsigned char>(key[i]);
    uint32_t child = i == 0 ? root_[byte] : Child(node, byte);
    if (child == 0) {
      child = nodes_++;
      values_.push_back(kNoValue);
      if (i == 0) {
        root_[byte] = child;
      } else {
        AddEdge(node, byte, child);
      }
    }
    node = child;
  }
  if (values_[node] == kNoValue || replace) values_[node] = value;
}

}  // namespace quarry::text
