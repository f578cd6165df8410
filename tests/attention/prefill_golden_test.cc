// FlexPrefill's and MInference's golden vectors: those of the tree, and the larger folders where
// they are found.

#include <gtest/gtest.h>

#include "tests/quarry_golden/expect.h"
#include "tests/support/paths.h"

namespace quarry::golden {
namespace {

TEST(PrefillGolden, FlexPrefillInTheTree) {
  ExpectAllPass(CheckFlexPrefill, GoldenInTree("flexprefill"));
}

TEST(PrefillGolden, MInferenceInTheTree) {
  ExpectAllPass(CheckMInference, GoldenInTree("minference"));
}

TEST(PrefillGolden, FlexPrefillOutside) {
  const auto folder = GoldenOutside("flexprefill");
  if (!folder) GTEST_SKIP() << NoGoldenOutside("flexprefill");
  ExpectAllPass(CheckFlexPrefill, *folder);
}

TEST(PrefillGolden, MInferenceOutside) {
  const auto folder = GoldenOutside("minference");
  if (!folder) GTEST_SKIP() << NoGoldenOutside("minference");
  ExpectAllPass(CheckMInference, *folder);
}

}  // namespace
}  // namespace quarry::golden
