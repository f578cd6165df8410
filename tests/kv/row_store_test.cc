#include "kv/row_store.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace quarry {
namespace {

void Append(RowStore& store, uint64_t value) {
  std::byte* row = store.Append();
  for (size_t i = 0; i + 8 <= store.row_bytes(); i += 8) std::memcpy(row + i, &value, 8);
}

void ExpectRows(const RowStore& store, const std::vector<uint64_t>& want) {
  ASSERT_EQ(store.size(), static_cast<int64_t>(want.size()));
  for (size_t r = 0; r < want.size(); ++r) {
    for (size_t i = 0; i + 8 <= store.row_bytes(); i += 8) {
      uint64_t got;
      std::memcpy(&got, store.row(static_cast<int64_t>(r)) + i, 8);
      ASSERT_EQ(got, want[r]) << "row " << r;
    }
  }
}

TEST(RowStore, RowsLieTogetherAndStay) {
  RowStore store(24);
  std::vector<const std::byte*> at;
  std::vector<uint64_t> want;
  for (uint64_t i = 0; i < 3 * RowStore::kRowsPerSlab + 1; ++i) {
    Append(store, i);
    want.push_back(i);
    at.push_back(store.row(static_cast<int64_t>(i)));
  }
  ExpectRows(store, want);
  for (size_t i = 0; i < at.size(); ++i) {
    ASSERT_EQ(store.row(static_cast<int64_t>(i)), at[i]) << "moved";
    if (i % RowStore::kRowsPerSlab != 0) {
      ASSERT_EQ(at[i], at[i - 1] + 24) << i;
    }
  }
  EXPECT_EQ(store.size_bytes(), 4u * RowStore::kRowsPerSlab * 24u);
  store.Truncate(0);
  EXPECT_EQ(store.size_bytes(), 0u);
}

TEST(RowStore, ACopySharesFullSlabs) {
  RowStore a(16);
  for (uint64_t i = 0; i < RowStore::kRowsPerSlab + 10; ++i) Append(a, i);
  const RowStore b = a;
  Append(a, 7);
  EXPECT_EQ(a.row(0), b.row(0));
  EXPECT_NE(a.row(RowStore::kRowsPerSlab), b.row(RowStore::kRowsPerSlab)) << "written slab is own";
}

// Stores that are copied, cut and appended to at random, next to plain vectors.
TEST(RowStore, CopiesGoTheirOwnWays) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    std::vector<RowStore> stores = {RowStore(16)};
    std::vector<std::vector<uint64_t>> want(1);
    for (int step = 0; step < 200; ++step) {
      const size_t i = rng.Below(stores.size());
      switch (rng.Below(4)) {
        case 0:
          if (stores.size() == 5) {
            stores.erase(stores.begin());
            want.erase(want.begin());
          } else {
            stores.push_back(stores[i]);
            want.push_back(want[i]);
          }
          break;
        case 1: {
          const auto n = rng.Below(want[i].size() + 1);
          if (rng.Below(3) != 0) break;
          stores[i].Truncate(static_cast<int64_t>(n));
          want[i].resize(n);
          break;
        }
        default:
          for (uint64_t n = rng.Below(300); n > 0; --n) {
            const uint64_t value = rng.Next();
            Append(stores[i], value);
            want[i].push_back(value);
          }
      }
    }
    for (size_t i = 0; i < stores.size(); ++i) ExpectRows(stores[i], want[i]);
  }
}

}  // namespace
}  // namespace quarry
