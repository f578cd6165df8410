// Vectors of the authors' code: small ones in the tree, all of them where they are at hand.

#include <gtest/gtest.h>

#include "tests/quarry_golden/expect.h"
#include "tests/support/paths.h"

namespace quarry::golden {
namespace {

TEST(QuestGoldenFiles, AllOfTheTreePass) { ExpectAllPass(CheckQuest, GoldenInTree("quest")); }

TEST(QuestGoldenFiles, AllAtHandPass) {
  const auto folder = GoldenOutside("quest");
  if (!folder) GTEST_SKIP() << NoGoldenOutside("quest");
  ExpectAllPass(CheckQuest, *folder);
}

}  // namespace
}  // namespace quarry::golden
