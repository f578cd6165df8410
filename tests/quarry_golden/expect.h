// The checks of quarry-golden as expectations of a test.
#pragma once

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/quarry_golden/report.h"

namespace quarry::golden {

// At least `least` cases of `folder` pass, and none fails; the report names those that do.
inline void ExpectAllPass(void (*check)(const std::filesystem::path&, Report&),
                          const std::filesystem::path& folder, int least = 1) {
  Report report;
  check(folder, report);
  EXPECT_GE(report.passed(), least) << folder;
  EXPECT_EQ(report.failed(), 0) << folder;
}

}  // namespace quarry::golden
