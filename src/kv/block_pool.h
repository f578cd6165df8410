// Fixed-size blocks of zeroed memory with reference counts: what the KV store is made of. Blocks
// are cut from large slabs, which are returned to the system when the pool goes.
//
// Thread-safe. References keep the pool alive.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "quarry/status.h"

namespace quarry {

class BlockPool;

// A counted reference to a block; empty by default.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other) noexcept;
  BlockRef(BlockRef&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~BlockRef();

  explicit operator bool() const { return block_ != nullptr; }
  std::byte* data() const { return data_; }
  // Whether another reference to the same block exists.
  bool shared() const;

 private:
  friend class BlockPool;
  struct Block;
  BlockRef(Block* block, std::byte* data) : block_(block), data_(data) {}
  Block* block_ = nullptr;
  std::byte* data_ = nullptr;  // of the block: here, it is found without touching that
};

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  // REQUIRES: block_bytes > 0.
  static std::shared_ptr<BlockPool> Create(size_t block_bytes);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of zeros, 64-byte aligned. kOutOfMemory if the system gives no more.
  Result<BlockRef> Allocate();

  size_t block_bytes() const { return block_bytes_; }
  // Bytes of the blocks that are referenced now.
  size_t used_bytes() const { return used_.load(std::memory_order_relaxed) * block_bytes_; }

 private:
  friend class BlockRef;
  explicit BlockPool(size_t block_bytes);
  bool Grow();  // with mutex_ held
  void Free(BlockRef::Block* block);

  struct Slab;
  const size_t block_bytes_;
  std::atomic<size_t> used_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<BlockRef::Block*> free_;
};

}  // namespace quarry
