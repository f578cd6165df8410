#include "tests/support/paths.h"

#include <cstdlib>
#include <vector>

namespace quarry {

std::filesystem::path SourcePath(std::string_view relative) {
  return std::filesystem::path(QUARRY_SOURCE_DIR) / relative;
}

std::optional<std::filesystem::path> FindGolden(std::string_view name) {
  std::vector<std::filesystem::path> roots = {SourcePath("tests/golden"),
                                              SourcePath("../shared/golden")};
  if (const char* dir = std::getenv("QUARRY_GOLDEN_DIR")) roots.insert(roots.begin(), dir);
  for (const auto& root : roots) {
    if (std::filesystem::exists(root / name)) return root / name;
  }
  return std::nullopt;
}

}  // namespace quarry
