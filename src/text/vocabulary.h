// The tokens of a model: text <-> id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "text/hash_seed.h"

namespace quarry::text {

// Ids at or above this are refused: a table over all ids is kept.
inline constexpr TokenId kMaxTokenIds = 1 << 22;
// Where a text is searched for tokens at each place, the time is as the text's length times that of
// the longest token: longer ones are refused. Published tokenizers have up to 256 bytes.
inline constexpr size_t kMaxTokenBytes = 1024;

// Immutable after building; safe to read from any number of threads. A token's text is any byte
// string; ids need not be contiguous, nor given in order.
class Vocabulary {
 public:
  Vocabulary() = default;

  // Makes room for `tokens` tokens of `bytes` bytes in all.
  void Reserve(size_t tokens, size_t bytes);
  // Fails on an id out of [0, kMaxTokenIds) and on an id that another text has. Of several
  // ids with one text all keep it, and Find gives the last.
  Status Add(std::string_view text, int64_t id);

  // The id of `text`; kNone if it is no token.
  static constexpr TokenId kNone = -1;
  TokenId Find(std::string_view text) const;

  // Whether `id` is a token, and its text (empty if it is none).
  bool Contains(TokenId id) const {
    return id >= 0 && static_cast<size_t>(id) < entries_.size() && entries_[Index(id)].used;
  }
  std::string_view Text(TokenId id) const {
    if (!Contains(id)) return {};
    const Entry& e = entries_[Index(id)];
    return std::string_view(arena_).substr(e.begin, e.length);
  }

  size_t size() const { return size_; }                // number of tokens
  size_t id_limit() const { return entries_.size(); }  // largest id + 1

 private:
  struct Entry {
    uint32_t begin = 0;
    uint32_t length : 31 = 0;
    uint32_t used : 1 = 0;
  };
  struct Slot {
    uint32_t tag = 0;
    TokenId id = kNone;
  };
  static size_t Index(TokenId id) { return static_cast<size_t>(id); }
  uint64_t Hash(std::string_view text) const;
  size_t FindSlot(std::string_view text, uint64_t hash) const;
  void Grow(size_t slots);

  std::string arena_;
  std::vector<Entry> entries_;  // by id
  std::vector<Slot> slots_;     // open addressing, a power of two
  size_t size_ = 0;
  HashSeed seed_ = HashSeed::Random();
};

}  // namespace quarry::text
