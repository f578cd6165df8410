#include "kv/block_pool.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/memory_info.h"

namespace quarry {
namespace {

bool AllZero(const BlockRef& block, size_t bytes) {
  return std::all_of(block.data(), block.data() + bytes,
                     [](std::byte b) { return b == std::byte{}; });
}

BlockRef Take(BlockPool& pool) {
  Result<BlockRef> block = pool.Allocate();
  EXPECT_TRUE(block.ok());
  return std::move(*block);
}

TEST(BlockPool, BlocksAreAlignedZeroedAndApart) {
  const auto pool = BlockPool::Create(200);
  EXPECT_EQ(pool->block_bytes(), 256u);
  std::vector<BlockRef> blocks;
  for (int i = 0; i < 50; ++i) {
    blocks.push_back(Take(*pool));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.back().data()) % 64, 0u);
    ASSERT_TRUE(AllZero(blocks.back(), pool->block_bytes())) << "overlaps an earlier block";
    std::memset(blocks.back().data(), i + 1, pool->block_bytes());
  }
  EXPECT_EQ(pool->used_bytes(), 50u * 256u);
}

TEST(BlockPool, AUsedBlockComesBackZeroed) {
  const auto pool = BlockPool::Create(1024);
  for (int round = 0; round < 3; ++round) {
    std::vector<BlockRef> blocks;
    for (int i = 0; i < 20; ++i) {
      blocks.push_back(Take(*pool));
      ASSERT_TRUE(AllZero(blocks.back(), 1024));
      std::memset(blocks.back().data(), 0xff, 1024);
    }
  }
  EXPECT_EQ(pool->used_bytes(), 0u);
}

TEST(BlockPool, ReferencesAreCounted) {
  const auto pool = BlockPool::Create(64);
  BlockRef a = Take(*pool);
  EXPECT_TRUE(static_cast<bool>(a));
  EXPECT_FALSE(a.shared());
  {
    const BlockRef b = a;
    EXPECT_TRUE(a.shared());
    EXPECT_TRUE(b.shared());
    EXPECT_EQ(a.data(), b.data());
    EXPECT_EQ(pool->used_bytes(), 64u);
  }
  EXPECT_FALSE(a.shared());
  BlockRef moved = std::move(a);
  EXPECT_FALSE(static_cast<bool>(a));  // NOLINT(bugprone-use-after-move): the state after a move
  EXPECT_FALSE(moved.shared());
  BlockRef& same = moved;
  moved = same;  // to itself
  EXPECT_TRUE(static_cast<bool>(moved));
  EXPECT_FALSE(moved.shared());
  EXPECT_EQ(pool->used_bytes(), 64u);
  moved = BlockRef();
  EXPECT_EQ(pool->used_bytes(), 0u);
}

TEST(BlockPool, ReferencesKeepThePoolAlive) {
  auto pool = BlockPool::Create(4096);
  const std::weak_ptr<BlockPool> watch = pool;
  BlockRef block = Take(*pool);
  pool.reset();
  EXPECT_FALSE(watch.expired());
  std::memset(block.data(), 1, 4096);
  block = BlockRef();
  EXPECT_TRUE(watch.expired());
}

// More than the address space has.
TEST(BlockPool, ReportsWhatItCannotGet) {
  const auto pool = BlockPool::Create(size_t{1} << 50);
  const Result<BlockRef> block = pool->Allocate();
  ASSERT_FALSE(block.ok());
  EXPECT_EQ(block.status().code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(pool->used_bytes(), 0u);
}

TEST(BlockPool, GivesMemoryBackToTheSystem) {
  constexpr size_t kBytes = size_t{192} << 20;
  const auto resident = [] { return static_cast<int64_t>(CurrentRssBytes()); };
  const int64_t before = resident();
  if (before == 0) GTEST_SKIP() << "the system does not tell";
  int64_t full = 0;
  {
    const auto pool = BlockPool::Create(size_t{1} << 20);
    std::vector<BlockRef> blocks;
    for (size_t i = 0; i < kBytes >> 20; ++i) {
      blocks.push_back(Take(*pool));
      std::memset(blocks.back().data(), 1, pool->block_bytes());
    }
    full = resident();
  }
  EXPECT_GT(full - before, static_cast<int64_t>(kBytes) * 3 / 4);
  EXPECT_LT(resident() - before, static_cast<int64_t>(kBytes) / 4);
}

TEST(BlockPool, ThreadsTakeAndGiveBack) {
  const auto pool = BlockPool::Create(512);
  const BlockRef common = Take(*pool);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<BlockRef> mine;
      for (int i = 0; i < 2000; ++i) {
        mine.push_back(i % 3 == 0 ? common : Take(*pool));
        if (i % 3 != 0) {
          ASSERT_TRUE(AllZero(mine.back(), 512));
          std::memset(mine.back().data(), t + 1, 512);
        }
        if (i % 7 == 0)
          mine.erase(mine.begin(), mine.begin() + static_cast<int64_t>(mine.size()) / 2);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE(common.shared());
  EXPECT_EQ(pool->used_bytes(), 512u);
}

}  // namespace
}  // namespace quarry
