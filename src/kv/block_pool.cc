#include "kv/block_pool.h"

#include <cstdint>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>

#include "base/checked_math.h"
#include "base/huge_pages.h"

namespace quarry {
namespace {
// One huge page: small enough that one sequence's waste does not show.
constexpr size_t kSlabBytes = kHugePageBytes;

// Zeroed memory that begins at a multiple of kHugePageBytes, itself one; null if there is none.
std::byte* MapSlab(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes + kHugePageBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* from = static_cast<std::byte*>(memory);
  const size_t skip = kHugePageBytes - reinterpret_cast<uintptr_t>(from) % kHugePageBytes;
  ::munmap(from, skip);
  if (skip < kHugePageBytes) ::munmap(from + skip + bytes, kHugePageBytes - skip);
  PreferHugePages(from + skip, bytes);
  return from + skip;
}
}  // namespace

struct BlockRef::Block {
  std::byte* data = nullptr;
  std::atomic<int> references{0};
  bool dirty = false;  // has been handed out before, so no longer zero
  // Set while referenced: the last reference to the last block lets the pool go.
  std::shared_ptr<BlockPool> pool;
};

// Mapped memory, so that freeing it really returns it and a refusal is seen as one.
struct BlockPool::Slab {
  ~Slab() {
    if (memory != nullptr) ::munmap(memory, bytes);
  }
  std::byte* memory = nullptr;
  size_t bytes = 0;
  std::vector<BlockRef::Block> blocks;
};

BlockRef::BlockRef(const BlockRef& other) noexcept : block_(other.block_), data_(other.data_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

BlockRef::~BlockRef() {
  if (block_ == nullptr) return;
  if (block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::shared_ptr<BlockPool> pool = std::move(block_->pool);
  pool->Free(block_);
}

bool BlockRef::shared() const { return block_->references.load(std::memory_order_acquire) > 1; }

std::shared_ptr<BlockPool> BlockPool::Create(size_t block_bytes) {
  return std::shared_ptr<BlockPool>(new BlockPool(block_bytes));
}

BlockPool::BlockPool(size_t block_bytes)
    : block_bytes_(static_cast<size_t>(RoundUp(static_cast<int64_t>(block_bytes), 64))) {}
BlockPool::~BlockPool() = default;

bool BlockPool::Grow() {
  auto slab = std::make_unique<Slab>();
  const size_t count = std::max<size_t>(1, kSlabBytes / block_bytes_);
  slab->bytes = static_cast<size_t>(
      RoundUp(static_cast<int64_t>(count * block_bytes_), int64_t{kHugePageBytes}));
  slab->memory = MapSlab(slab->bytes);
  if (slab->memory == nullptr) return false;
  slab->blocks = std::vector<BlockRef::Block>(count);
  free_.reserve(free_.size() + count);
  for (size_t i = count; i-- > 0;) {
    slab->blocks[i].data = slab->memory + i * block_bytes_;
    free_.push_back(&slab->blocks[i]);
  }
  slabs_.push_back(std::move(slab));
  return true;
}

Result<BlockRef> BlockPool::Allocate() {
  BlockRef::Block* block = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (free_.empty() && !Grow()) {
      return OutOfMemory(
          fmt::format("KV cache: no memory for another block of {} bytes after {} MiB in use",
                      block_bytes_, used_bytes() >> 20));
    }
    block = free_.back();
    free_.pop_back();
  }
  if (block->dirty) std::memset(block->data, 0, block_bytes_);
  block->dirty = true;
  block->pool = shared_from_this();
  block->references.store(1, std::memory_order_relaxed);
  used_.fetch_add(1, std::memory_order_relaxed);
  return BlockRef(block, block->data);
}

void BlockPool::Free(BlockRef::Block* block) {
  used_.fetch_sub(1, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  free_.push_back(block);
}

}  // namespace quarry
