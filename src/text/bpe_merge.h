// The merging of byte-pair encoding: repeatedly join the adjacent pair of least rank, the leftmost
// of equals, until no pair of neighbours has a rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quarry/types.h"

#include "text/hash_seed.h"
#include "text/model.h"

namespace quarry::text {

struct Merge {
  TokenId left;
  TokenId right;
  TokenId result;
  uint32_t rank;
};

// A symbol of a piece while it is merged.
struct Symbol {
  TokenId id;
  uint32_t begin;  // offset of its text in the piece
};

// From pairs of ids to their merge. Immutable after building.
class MergeTable {
 public:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  struct Found {
    uint32_t rank = kNoRank;
    TokenId result = -1;
  };

  MergeTable() = default;
  // Of several merges of one pair the last counts.
  explicit MergeTable(std::span<const Merge> merges);

  Found Find(TokenId left, TokenId right) const {
    if (slots_.empty()) return {};
    const uint64_t key = KeyOf(left, right);
    for (size_t i = seed_.Hash(key) & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.key == key) return slot.value;
      if (slot.key == kFree) return {};
    }
  }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Slot {
    uint64_t key = kFree;
    Found value;
  };
  static uint64_t KeyOf(TokenId left, TokenId right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  std::vector<Slot> slots_;
  size_t mask_ = 0;
  HashSeed seed_ = HashSeed::Random();
};

// Merges runs of symbols; holds the memory for it.
class Merger {
 public:
  // Merges that yield an id of `forbidden`, which may be null, do not happen.
  Merger(const MergeTable& table, const TokenSet* forbidden)
      : table_(table), forbidden_(forbidden) {}

  // Appends the merged ids of `symbols`. Time: quadratic in a small number of symbols,
  // n log n in a large one.
  void Merge(std::span<const Symbol> symbols, std::vector<TokenId>& out);

 private:
  struct Node {
    TokenId id;
    uint32_t rank;  // of the pair with the next node
    TokenId result;
  };
  struct Link {
    TokenId id;
    uint32_t previous;
    uint32_t next;
  };
  MergeTable::Found Find(TokenId left, TokenId right) const;
  void MergeFew(std::span<const Symbol> symbols, std::vector<TokenId>& out);
  void MergeMany(std::span<const Symbol> symbols, std::vector<TokenId>& out);
  void PushPair(uint32_t left);

  const MergeTable& table_;
  const TokenSet* forbidden_;
  std::vector<Node> nodes_;
  std::vector<Link> links_;
  std::vector<uint64_t> heap_;  // rank << 32 | index of the left symbol; least first
};

}  // namespace quarry::text
