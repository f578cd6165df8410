#include "base/aligned_buffer.h"

#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

namespace quarry {
namespace {

TEST(AlignedBuffer, BeginsWhereVectorsAndHugePagesDo) {
  EXPECT_EQ(AlignedBuffer(0).data(), nullptr);
  for (size_t bytes : {size_t{1}, kHugePageBytes - 1, kHugePageBytes, 2 * kHugePageBytes + 1}) {
    AlignedBuffer buffer(bytes);
    const size_t alignment = bytes < kHugePageBytes ? 64 : kHugePageBytes;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % alignment, 0u) << bytes;
    EXPECT_EQ(buffer.size(), bytes);
    std::memset(buffer.data(), 1, bytes);
    EXPECT_EQ(buffer.data()[bytes - 1], std::byte{1});
  }
}

}  // namespace
}  // namespace quarry
