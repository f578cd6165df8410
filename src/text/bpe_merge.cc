#include "text/bpe_merge.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace quarry::text {
namespace {

// Up to here scanning for the least rank is faster than keeping a heap.
constexpr size_t kFewSymbols = 48;
constexpr uint32_t kEnd = UINT32_MAX;

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges) {
  if (merges.empty()) return;
  slots_.resize(std::bit_ceil(merges.size() * 2));
  mask_ = slots_.size() - 1;
  for (const Merge& m : merges) {
    const uint64_t key = KeyOf(m.left, m.right);
    size_t i = seed_.Hash(key) & mask_;
    while (slots_[i].key != kFree && slots_[i].key != key) i = (i + 1) & mask_;
    slots_[i] = {key, {m.rank, m.result}};
  }
}

MergeTable::Found Merger::Find(TokenId left, TokenId right) const {
  const MergeTable::Found found = table_.Find(left, right);
  if (forbidden_ != nullptr && found.result >= 0 && forbidden_->Contains(found.result)) return {};
  return found;
}

void Merger::Merge(std::span<const Symbol> symbols, std::vector<TokenId>& out) {
  if (symbols.size() == 1) {
    out.push_back(symbols[0].id);
  } else if (symbols.size() <= kFewSymbols) {
    MergeFew(symbols, out);
  } else {
    MergeMany(symbols, out);
  }
}

void Merger::MergeFew(std::span<const Symbol> symbols, std::vector<TokenId>& out) {
  size_t n = symbols.size();
  nodes_.resize(n);
  const auto set_pair = [&](size_t i) {
    const MergeTable::Found f = Find(nodes_[i].id, nodes_[i + 1].id);
    nodes_[i].rank = f.rank;
    nodes_[i].result = f.result;
  };
  for (size_t i = 0; i < n; ++i) nodes_[i] = {symbols[i].id, MergeTable::kNoRank, -1};
  for (size_t i = 0; i + 1 < n; ++i) set_pair(i);
  for (;;) {
    size_t best = 0;
    for (size_t i = 1; i < n; ++i) {
      if (nodes_[i].rank < nodes_[best].rank) best = i;
    }
    if (nodes_[best].rank == MergeTable::kNoRank) break;
    nodes_[best].id = nodes_[best].result;
    std::copy(nodes_.begin() + static_cast<ptrdiff_t>(best) + 2,
              nodes_.begin() + static_cast<ptrdiff_t>(n),
              nodes_.begin() + static_cast<ptrdiff_t>(best) + 1);
    --n;
    if (best + 1 < n) {
      set_pair(best);
    } else {
      nodes_[best].rank = MergeTable::kNoRank;
    }
    if (best > 0) set_pair(best - 1);
  }
  for (size_t i = 0; i < n; ++i) out.push_back(nodes_[i].id);
}

// Puts the pair of `left` and its neighbour on the heap, if it has a rank.
void Merger::PushPair(uint32_t left) {
  const uint32_t right = links_[left].next;
  if (right == kEnd) return;
  const MergeTable::Found f = Find(links_[left].id, links_[right].id);
  if (f.rank == MergeTable::kNoRank) return;
  heap_.push_back(static_cast<uint64_t>(f.rank) << 32 | left);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void Merger::MergeMany(std::span<const Symbol> symbols, std::vector<TokenId>& out) {
  const auto n = static_cast<uint32_t>(symbols.size());
  links_.resize(n);
  heap_.clear();
  for (uint32_t i = 0; i < n; ++i) {
    links_[i] = {symbols[i].id, i == 0 ? kEnd : i - 1, i + 1 == n ? kEnd : i + 1};
  }
  for (uint32_t i = 0; i + 1 < n; ++i) {
    const MergeTable::Found f = Find(links_[i].id, links_[i + 1].id);
    if (f.rank != MergeTable::kNoRank) heap_.push_back(static_cast<uint64_t>(f.rank) << 32 | i);
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());

  constexpr TokenId kGone = -1;
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const uint64_t top = heap_.back();
    heap_.pop_back();
    const auto left = static_cast<uint32_t>(top);
    const auto rank = static_cast<uint32_t>(top >> 32);
    Link& a = links_[left];
    if (a.id == kGone || a.next == kEnd) continue;
    const uint32_t right = a.next;
    // The entry is stale if either side has been merged since: the pair has another rank now.
    const MergeTable::Found f = Find(a.id, links_[right].id);
    if (f.rank != rank) continue;
    a.id = f.result;
    a.next = links_[right].next;
    if (a.next != kEnd) links_[a.next].previous = left;
    links_[right].id = kGone;
    PushPair(left);
    if (a.previous != kEnd) PushPair(a.previous);
  }
  for (uint32_t i = 0; i != kEnd; i = links_[i].next) out.push_back(links_[i].id);
}

}  // namespace quarry::text
