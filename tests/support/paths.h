// Where tests find their data.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace quarry {

// A file of the source tree.
std::filesystem::path SourcePath(std::string_view relative);

// A file or folder of tests/golden.
std::filesystem::path GoldenInTree(std::string_view name);

// One of the golden vectors that the tree has no room for: QUARRY_GOLDEN_DIR/NAME if that variable
// is set, else shared/golden/NAME beside the source tree; nullopt if it does not exist.
std::optional<std::filesystem::path> GoldenOutside(std::string_view name);

// What a test says that skips because GoldenOutside(name) found nothing.
std::string NoGoldenOutside(std::string_view name);

}  // namespace quarry
