// FlexPrefill's and MInference's golden vectors: those of the tree, and the larger folders where
// they are found.

#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/quarry_golden/report.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

using Check = void (*)(const std::filesystem::path&, golden::Report&);

void ExpectAllPass(const std::filesystem::path& folder, Check check) {
  golden::Report report;
  check(folder, report);
  EXPECT_GT(report.passed(), 0);
  EXPECT_EQ(report.failed(), 0);
}

// The folder of that name that is not part of the tree.
std::filesystem::path Outside(const char* name) {
  const char* root = std::getenv("QUARRY_GOLDEN_DIR");
  return (root != nullptr ? std::filesystem::path(root) : SourcePath("../shared/golden")) / name;
}

TEST(PrefillGolden, FlexPrefillInTheTree) {
  ExpectAllPass(SourcePath("tests/golden/flexprefill"), golden::CheckFlexPrefill);
}

TEST(PrefillGolden, MInferenceInTheTree) {
  ExpectAllPass(SourcePath("tests/golden/minference"), golden::CheckMInference);
}

TEST(PrefillGolden, FlexPrefillOutside) {
  const auto folder = Outside("flexprefill");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ExpectAllPass(folder, golden::CheckFlexPrefill);
}

TEST(PrefillGolden, MInferenceOutside) {
  const auto folder = Outside("minference");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ExpectAllPass(folder, golden::CheckMInference);
}

}  // namespace
}  // namespace quarry
