// Vectors of the authors' code: small ones in the tree, all of them where they are at hand.

#include <gtest/gtest.h>

#include "tests/quarry_golden/report.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

void ExpectAllPass(const std::filesystem::path& folder) {
  golden::Report report;
  golden::CheckQuest(folder, report);
  EXPECT_GT(report.passed(), 0);
  EXPECT_EQ(report.failed(), 0);
}

TEST(QuestGoldenFiles, AllOfTheTreePass) { ExpectAllPass(SourcePath("tests/golden/quest")); }

TEST(QuestGoldenFiles, AllAtHandPass) {
  const auto elsewhere = SourcePath("../shared/golden/quest");
  const auto folder = std::filesystem::exists(elsewhere) ? elsewhere : *FindGolden("quest");
  if (folder == SourcePath("tests/golden/quest")) {
    GTEST_SKIP() << "no other vectors of quest: QUARRY_GOLDEN_DIR names a folder that has them";
  }
  ExpectAllPass(folder);
}

}  // namespace
}  // namespace quarry
