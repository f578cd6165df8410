// Keys and values of one sequence, all layers, in blocks of 128 tokens: the panels of one (layer,
// plane, KV head) lie together, [layer][plane][head][block][8 panels], so that reading one head's
// block is one contiguous read. Knows no method, no model and no element type: a plane is bytes.
//
// A plane is one kind of row: keys before rotation, keys after it, values. Each has a rule for what
// to keep; blocks outside it are given back to the pool.
//
// Invariants
//   1. Tokens [0, size) of every kept range are readable; [size, size + reserved) writable.
//   2. A block that another store shares is never written: Reserve copies the one partial block
//      that writing would touch.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "kv/block_pool.h"

namespace quarry {

inline constexpr int64_t kTokensPerPanel = 16;
inline constexpr int64_t kPanelsPerBlock = 8;
inline constexpr int64_t kTokensPerBlock = kTokensPerPanel * kPanelsPerBlock;

enum class KvPlane : uint8_t { kRawKeys, kRotatedKeys, kValues };
inline constexpr int kKvPlanes = 3;

// Which tokens of a plane stay readable: the first keep_first and the last keep_last.
struct PlaneRule {
  static constexpr int64_t kAll = std::numeric_limits<int64_t>::max();

  bool stored = false;
  int64_t keep_first = 0;
  int64_t keep_last = kAll;

  static PlaneRule All() { return {true, 0, kAll}; }
  static PlaneRule None() { return {}; }
  bool Keeps(TokenPos t, TokenPos size) const {
    return stored && (t < keep_first || keep_last == kAll || t >= size - keep_last);
  }
};

struct KvLayout {
  int layers = 0;
  int heads = 0;                                // KV heads
  std::array<size_t, kKvPlanes> panel_bytes{};  // of one panel, a multiple of 64
  std::array<PlaneRule, kKvPlanes> rules{};
};

class KvStore {
 public:
  explicit KvStore(const KvLayout& layout);
  // A copy shares all blocks with the original; either may then go on alone (see Fork).
  KvStore(KvStore&&) = default;
  KvStore& operator=(KvStore&&) = default;

  const KvLayout& layout() const { return layout_; }
  TokenPos size() const { return size_; }

  // Makes tokens [size, size + n) writable in every layer and plane. On error nothing changes.
  Status Reserve(int64_t n);
  // The reserved tokens [size, size + n) now exist. REQUIRES: Reserve(n) or more.
  void Advance(int64_t n);
  // Gives back blocks that the planes' rules no longer keep. Call between steps.
  void Trim();

  // Tokens that a sequence of n tokens would keep in `plane` but that have been given back since.
  // Empty: cutting back to n loses nothing there.
  TokenRange MissingAfterTruncate(KvPlane plane, TokenPos n) const;
  // Forgets tokens n and later. REQUIRES: 0 <= n <= size.
  void Truncate(TokenPos n);
  // Makes blocks of `range` that were given back writable again, zeroed. On error nothing changes.
  Status Refill(KvPlane plane, TokenRange range);
  // A second sequence with the same past, sharing all blocks.
  KvStore Fork() const { return KvStore(*this); }

  // One panel: tokens [16 * index, 16 * index + 16). REQUIRES: stored, kept, below size (or
  // reserved, for writing).
  const std::byte* panel(int layer, KvPlane plane, int head, int64_t index) const {
    return List(layer, plane, head)[static_cast<size_t>(index / kPanelsPerBlock)].data() +
           static_cast<size_t>(index % kPanelsPerBlock) * PanelBytes(plane);
  }
  std::byte* mutable_panel(int layer, KvPlane plane, int head, int64_t index) {
    return const_cast<std::byte*>(panel(layer, plane, head, index));
  }
  size_t PanelBytes(KvPlane plane) const { return layout_.panel_bytes[static_cast<size_t>(plane)]; }

  // Bytes of the blocks this sequence refers to, shared ones included.
  size_t size_bytes() const;

 private:
  using BlockList = std::vector<BlockRef>;

  KvStore(const KvStore&) = default;
  size_t ListIndex(int layer, int plane, int head) const {
    return (static_cast<size_t>(layer) * kKvPlanes + static_cast<size_t>(plane)) *
               static_cast<size_t>(layout_.heads) +
           static_cast<size_t>(head);
  }
  const BlockList& List(int layer, KvPlane plane, int head) const {
    return lists_[ListIndex(layer, static_cast<int>(plane), head)];
  }
  template <typename F>
  void ForEachList(F f) const;

  KvLayout layout_;
  TokenPos size_ = 0;
  int64_t reserved_ = 0;
  // Blocks [begin, end) of a plane have been given back.
  std::array<int64_t, kKvPlanes> hole_begin_{};
  std::array<int64_t, kKvPlanes> hole_end_{};
  std::array<std::shared_ptr<BlockPool>, kKvPlanes> pools_;
  std::vector<BlockList> lists_;
};

}  // namespace quarry
