#include "tests/support/paths.h"

#include <cstdlib>

#include <fmt/format.h>

namespace quarry {

std::filesystem::path SourcePath(std::string_view relative) {
  return std::filesystem::path(QUARRY_SOURCE_DIR) / relative;
}

std::filesystem::path GoldenInTree(std::string_view name) {
  return SourcePath("tests/golden") / name;
}

std::optional<std::filesystem::path> GoldenOutside(std::string_view name) {
  const char* named = std::getenv("QUARRY_GOLDEN_DIR");
  const std::filesystem::path root = named != nullptr ? named : SourcePath("../shared/golden");
  if (!std::filesystem::exists(root / name)) return std::nullopt;
  return root / name;
}

std::string NoGoldenOutside(std::string_view name) {
  return fmt::format("no golden vectors {}: QUARRY_GOLDEN_DIR names a folder that has them", name);
}

}  // namespace quarry
