// Tiny checkpoints of every family against float64 (tests/golden/models/README.md).

#include <gtest/gtest.h>

#include "tests/quarry_golden/report.h"
#include "tests/support/paths.h"

namespace quarry::golden {
namespace {

void ExpectAllPass(const std::filesystem::path& folder, int least) {
  Report report;
  CheckModels(folder, report);
  EXPECT_EQ(report.failed(), 0);
  EXPECT_GE(report.passed(), least);
}

TEST(FamiliesGolden, BundledCases) { ExpectAllPass(SourcePath("tests/golden/models"), 3); }

TEST(FamiliesGolden, EveryFamily) {
  const auto one = FindGolden("models/yi");
  if (!one) GTEST_SKIP() << "no golden vectors models/yi";
  ExpectAllPass(one->parent_path(), 25);
}

}  // namespace
}  // namespace quarry::golden
