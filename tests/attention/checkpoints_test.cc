#include "attention/methods/checkpoints.h"

#include <gtest/gtest.h>

namespace quarry {
namespace {

TEST(Checkpoints, RestoreTheLongestNotBeyond) {
  Checkpoints<int> saved;
  EXPECT_EQ(saved.Restore(100), nullptr);
  saved.Save(0, 1, 1);  // the empty state needs no memory
  EXPECT_EQ(saved.size_bytes(), 0u);
  for (int i = 1; i <= 3; ++i) saved.Save(100 * i, i, 10);
  EXPECT_EQ(*saved.Restore(1000), 3);
  EXPECT_EQ(*saved.Restore(300), 3);
  EXPECT_EQ(*saved.Restore(299), 2);
  EXPECT_EQ(*saved.Restore(1000), 2) << "what lay beyond is forgotten";
  EXPECT_EQ(saved.size_bytes(), 20u);
  EXPECT_EQ(saved.Restore(99), nullptr);
}

TEST(Checkpoints, NearOnesAreNotSaved) {
  Checkpoints<int> saved;
  saved.Save(1, 1, 1);
  saved.Save(Checkpoints<int>::kStride, 2, 1);
  EXPECT_EQ(*saved.Restore(1000), 1);
  saved.Save(Checkpoints<int>::kStride + 1, 3, 1);
  EXPECT_EQ(*saved.Restore(1000), 3);
}

TEST(Checkpoints, StayFewAndReachBack) {
  Checkpoints<TokenPos> small, large;
  for (TokenPos n = 100; n <= 100'000; n += 100) {
    small.Save(n, n, 1);
    large.Save(n, n, size_t{1} << 30);
    ASSERT_LE(small.size_bytes(), Checkpoints<TokenPos>::kMost);
    ASSERT_LE(large.size_bytes(), Checkpoints<TokenPos>::kLeast << 30);
    ASSERT_EQ(*small.Restore(n), n);
    ASSERT_EQ(*large.Restore(n), n);
  }
  EXPECT_EQ(*small.Restore(99'950), 99'900);
  const TokenPos* far = small.Restore(60'000);
  ASSERT_NE(far, nullptr) << "the past is remembered in steps that grow";
}

}  // namespace
}  // namespace quarry
