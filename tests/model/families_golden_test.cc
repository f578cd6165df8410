// Tiny checkpoints of every family against float64 (tests/golden/models/README.md).

#include <gtest/gtest.h>

#include "tests/quarry_golden/expect.h"
#include "tests/support/paths.h"

namespace quarry::golden {
namespace {

TEST(FamiliesGolden, BundledCases) { ExpectAllPass(CheckModels, GoldenInTree("models"), 3); }

TEST(FamiliesGolden, EveryFamily) {
  const auto one = GoldenOutside("models/yi");
  if (!one) GTEST_SKIP() << NoGoldenOutside("models/yi");
  ExpectAllPass(CheckModels, one->parent_path(), 25);
}

}  // namespace
}  // namespace quarry::golden
