#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "base/quoted.h"

namespace quarry::text {
namespace {

constexpr size_t kMaxArenaBytes = size_t{1} << 31;

uint64_t Load(const char* p, size_t n) {
  uint64_t value = 0;
  std::memcpy(&value, p, n);
  return value;
}

}  // namespace

uint64_t Vocabulary::Hash(std::string_view text) const {
  uint64_t h = seed_.start ^ text.size();
  const char* p = text.data();
  size_t n = text.size();
  // The sum keeps what came before even if a factor is zero.
  for (; n > 16; n -= 16, p += 16) {
    h += FoldedProduct(h ^ Load(p, 8), seed_.factor ^ Load(p + 8, 8));
  }
  if (n >= 8) return h + FoldedProduct(h ^ Load(p, 8), seed_.factor ^ Load(p + n - 8, 8));
  if (n >= 4) return h + FoldedProduct(h ^ Load(p, 4), seed_.factor ^ Load(p + n - 4, 4));
  if (n == 0) return FoldedProduct(h, seed_.factor);
  const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(p[i])); };
  return h + FoldedProduct(h ^ (byte(0) << 16 | byte(n / 2) << 8 | byte(n - 1)), seed_.factor);
}

void Vocabulary::Reserve(size_t tokens, size_t bytes) {
  arena_.reserve(std::min(bytes, kMaxArenaBytes));
  entries_.reserve(tokens);
  Grow(std::bit_ceil(std::max<size_t>(16, tokens * 2)));
}

// The slot that holds `text`, or the free one where it belongs. REQUIRES: a free slot exists.
size_t Vocabulary::FindSlot(std::string_view text, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.id == kNone || (slot.tag == tag && Text(slot.id) == text)) return i;
  }
}

void Vocabulary::Grow(size_t slots) {
  if (slots <= slots_.size()) return;
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id == kNone) continue;
    const std::string_view text = Text(slot.id);
    slots_[FindSlot(text, Hash(text))] = slot;
  }
}

Status Vocabulary::Add(std::string_view text, int64_t id) {
  if (id < 0 || id >= kMaxTokenIds) {
    return CorruptData(
        fmt::format("token {} has id {}, ids are 0 to {}", Quoted(text), id, kMaxTokenIds - 1));
  }
  const auto token = static_cast<TokenId>(id);
  if (Contains(token)) {
    if (Text(token) == text) return OkStatus();
    return CorruptData(
        fmt::format("id {} belongs to {} and to {}", id, Quoted(Text(token)), Quoted(text)));
  }
  if (arena_.size() + text.size() > kMaxArenaBytes) {
    return Unsupported(fmt::format("vocabulary: more than {} bytes of text", kMaxArenaBytes));
  }
  if (2 * (size_ + 1) > slots_.size()) Grow(std::max<size_t>(16, 2 * slots_.size()));
  if (Index(token) >= entries_.size()) entries_.resize(Index(token) + 1);

  const uint64_t hash = Hash(text);
  Slot& slot = slots_[FindSlot(text, hash)];
  Entry& entry = entries_[Index(token)];
  entry.begin = static_cast<uint32_t>(arena_.size());
  entry.length = static_cast<uint32_t>(text.size()) & 0x7FFFFFFFu;
  entry.used = 1;
  arena_ += text;
  slot = {static_cast<uint32_t>(hash >> 32), token};
  ++size_;
  return OkStatus();
}

TokenId Vocabulary::Find(std::string_view text) const {
  if (slots_.empty()) return kNone;
  return slots_[FindSlot(text, Hash(text))].id;
}

}  // namespace quarry::text
