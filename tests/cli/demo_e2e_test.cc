// quarry-demo, which make demo runs.

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace quarry {
namespace {

TEST(Demo, SaysThatItsTableWasNotWritten) {
  const auto demo = std::filesystem::path(QUARRY_BINARY).parent_path() / "quarry-demo";
  if (!std::filesystem::exists(demo)) GTEST_SKIP() << "built without examples";
  const auto model = SourcePath("models/needle-5m");
  const ProcessResult r =
      RunProcess({"/bin/sh", "-c", "exec \"$@\" > /dev/full", "sh", demo.string(), model.string(),
                  SourcePath("data/pride_and_prejudice.txt").string(),
                  (model / "inf-llm.yaml").string(), "1000"});
  EXPECT_EQ(r.exit_code, 1);
  EXPECT_NE(r.err.find("standard output"), std::string::npos) << r.err;
}

}  // namespace
}  // namespace quarry
