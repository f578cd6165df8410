#include "base/nearest_name.h"

#include <string>

#include <gtest/gtest.h>

namespace quarry {
namespace {

TEST(NearestName, CountsEdits) {
  struct Row {
    std::string_view a, b;
    int distance;
  };
  for (const Row& row : {
           Row{"", "", 0}, Row{"abc", "", 3}, Row{"topk", "topk", 0}, Row{"topk", "top_k", 1},
           Row{"topk", "tpok", 1},      // neighbours swapped
           Row{"n_init", "n-init", 0},  // '-' is '_'
           Row{"Block_Size", "block_size", 0}, Row{"block_size", "blocksize", 1},
           Row{"kitten", "sitting", 3}, Row{"ca", "abc", 3},  // a swapped pair is not edited again
       }) {
    EXPECT_EQ(EditDistance(row.a, row.b), row.distance) << row.a << " " << row.b;
    EXPECT_EQ(EditDistance(row.b, row.a), row.distance) << row.b << " " << row.a;
  }
}

TEST(NearestName, SuggestsOnlyWhatIsNear) {
  constexpr std::string_view kKeys[] = {"n_init", "n_local", "topk", "repr_topk"};
  EXPECT_EQ(NearestName("n_locale", kKeys), "n_local");
  EXPECT_EQ(NearestName("tokp", kKeys), "topk");
  EXPECT_EQ(NearestName("n_int", kKeys), "n_init");
  EXPECT_EQ(NearestName("zzzz", kKeys), "");
  EXPECT_EQ(NearestName("", kKeys), "");
  EXPECT_EQ(NearestName("x", {}), "");
  EXPECT_EQ(NearestName(std::string(1 << 20, 'n'), kKeys), "") << "long words cost nothing";

  EXPECT_EQ(Suggestion("tokp", kKeys), ", did you mean \"topk\"?");
  EXPECT_EQ(Suggestion("zzzz", kKeys), ", must be one of n_init, n_local, topk, repr_topk");
}

TEST(NearestName, TheFirstOfEqualsWins) {
  constexpr std::string_view kKeys[] = {"aab", "aac"};
  EXPECT_EQ(NearestName("aad", kKeys), "aab");
}

}  // namespace
}  // namespace quarry
