// Where tests find their data.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace quarry {

// A file of the source tree.
std::filesystem::path SourcePath(std::string_view relative);

// A folder of golden vectors: tests/golden/<name>, else golden/<name> of the folder that
// QUARRY_GOLDEN_DIR names or of a checkout's neighbour `shared`; nullopt if none exists, and the
// test then skips and says so.
std::optional<std::filesystem::path> FindGolden(std::string_view name);

}  // namespace quarry
