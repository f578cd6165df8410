#include "kv/kv_store.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"

namespace quarry {

KvStore::KvStore(const KvLayout& layout) : layout_(layout) {
  for (int p = 0; p < kKvPlanes; ++p) {
    const auto i = static_cast<size_t>(p);
    if (!layout_.rules[i].stored) continue;
    const size_t bytes = layout_.panel_bytes[i] * static_cast<size_t>(kPanelsPerBlock);
    QUARRY_CHECK(bytes > 0, "a stored plane has a size");
    for (int other = 0; other < p; ++other) {  // planes of one size share a pool
      const auto& pool = pools_[static_cast<size_t>(other)];
      if (pool != nullptr && pool->block_bytes() == bytes) pools_[i] = pool;
    }
    if (pools_[i] == nullptr) pools_[i] = BlockPool::Create(bytes);
  }
  lists_.resize(static_cast<size_t>(layout_.layers) * kKvPlanes *
                static_cast<size_t>(layout_.heads));
}

template <typename F>
void KvStore::ForEachList(F f) const {
  for (int layer = 0; layer < layout_.layers; ++layer) {
    for (int plane = 0; plane < kKvPlanes; ++plane) {
      if (!layout_.rules[static_cast<size_t>(plane)].stored) continue;
      for (int head = 0; head < layout_.heads; ++head) f(plane, ListIndex(layer, plane, head));
    }
  }
}

Status KvStore::Reserve(int64_t n) {
  const auto blocks = static_cast<size_t>(CeilDiv(size_ + n, kTokensPerBlock));
  const auto partial = static_cast<size_t>(size_ / kTokensPerBlock);
  // Replacements and additions are made first and put in place when all have succeeded.
  struct Change {
    size_t list;
    size_t at;
    BlockRef block;
  };
  std::vector<Change> changes;
  Status error;
  ForEachList([&](int plane, size_t list) {
    if (!error.ok()) return;
    BlockPool& pool = *pools_[static_cast<size_t>(plane)];
    const BlockList& have = lists_[list];
    for (size_t b = partial; b < blocks; ++b) {
      const bool copy = b < have.size() && have[b] && have[b].shared();
      if (b < have.size() && have[b] && !copy) continue;
      Result<BlockRef> block = pool.Allocate();
      if (!block.ok()) {
        error = block.status();
        return;
      }
      if (copy) std::memcpy(block->data(), have[b].data(), pool.block_bytes());
      changes.push_back({list, b, std::move(*block)});
    }
  });
  if (!error.ok()) return error;
  for (Change& c : changes) {
    BlockList& list = lists_[c.list];
    if (list.size() <= c.at) list.resize(c.at + 1);
    list[c.at] = std::move(c.block);
  }
  reserved_ = std::max(reserved_, n);
  return OkStatus();
}

void KvStore::Advance(int64_t n) {
  QUARRY_CHECK(n <= reserved_, "advanced past what was reserved");
  size_ += n;
  reserved_ -= n;
}

void KvStore::Trim() {
  for (int plane = 0; plane < kKvPlanes; ++plane) {
    const auto p = static_cast<size_t>(plane);
    const PlaneRule& rule = layout_.rules[p];
    if (!rule.stored || rule.keep_last == PlaneRule::kAll) continue;
    const int64_t begin = CeilDiv(rule.keep_first, kTokensPerBlock);
    const int64_t end = (size_ - rule.keep_last) / kTokensPerBlock;
    if (size_ <= rule.keep_last || end <= std::max(begin, hole_end_[p])) continue;
    const int64_t from = std::max(begin, hole_end_[p]);
    for (int layer = 0; layer < layout_.layers; ++layer) {
      for (int head = 0; head < layout_.heads; ++head) {
        BlockList& list = lists_[ListIndex(layer, plane, head)];
        for (int64_t b = from; b < end; ++b) list[static_cast<size_t>(b)] = BlockRef();
      }
    }
    hole_begin_[p] = begin;
    hole_end_[p] = end;
  }
}

TokenRange KvStore::MissingAfterTruncate(KvPlane plane, TokenPos n) const {
  const auto p = static_cast<size_t>(plane);
  const PlaneRule& rule = layout_.rules[p];
  if (!rule.stored || rule.keep_last == PlaneRule::kAll) return {};
  const TokenPos kept_from = std::max<TokenPos>(0, n - rule.keep_last);
  const TokenPos begin = std::max(hole_begin_[p] * kTokensPerBlock, kept_from);
  const TokenPos end = std::min(hole_end_[p] * kTokensPerBlock, n);
  return begin < end ? TokenRange{begin, end} : TokenRange{};
}

Status KvStore::Refill(KvPlane plane, TokenRange range) {
  if (range.empty()) return OkStatus();
  const auto p = static_cast<size_t>(plane);
  const int64_t begin = range.begin / kTokensPerBlock;
  const int64_t end = std::min(CeilDiv(range.end, kTokensPerBlock), hole_end_[p]);
  std::vector<BlockRef> fresh;
  for (int64_t i = 0; i < (end - begin) * layout_.layers * layout_.heads; ++i) {
    Result<BlockRef> block = pools_[p]->Allocate();
    if (!block.ok()) return block.status();
    fresh.push_back(std::move(*block));
  }
  for (int layer = 0; layer < layout_.layers; ++layer) {
    for (int head = 0; head < layout_.heads; ++head) {
      BlockList& list = lists_[ListIndex(layer, static_cast<int>(p), head)];
      for (int64_t b = begin; b < end; ++b) {
        list[static_cast<size_t>(b)] = std::move(fresh.back());
        fresh.pop_back();
      }
    }
  }
  hole_end_[p] = std::max(hole_begin_[p], begin);
  return OkStatus();
}

void KvStore::Truncate(TokenPos n) {
  QUARRY_CHECK(n >= 0 && n <= size_, "truncated to more than there is");
  size_ = n;
  reserved_ = 0;
  const auto blocks = static_cast<size_t>(CeilDiv(n, kTokensPerBlock));
  for (BlockList& list : lists_) {
    if (list.size() > blocks) list.resize(blocks);
  }
  for (size_t p = 0; p < kKvPlanes; ++p) {
    hole_end_[p] = std::min(hole_end_[p], static_cast<int64_t>(blocks));
    hole_begin_[p] = std::min(hole_begin_[p], hole_end_[p]);
  }
}

size_t KvStore::size_bytes() const {
  size_t bytes = 0;
  ForEachList([&](int plane, size_t list) {
    size_t blocks = 0;
    for (const BlockRef& b : lists_[list]) blocks += b ? 1 : 0;
    bytes += blocks * pools_[static_cast<size_t>(plane)]->block_bytes();
  });
  return bytes;
}

}  // namespace quarry
