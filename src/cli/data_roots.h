// Where the bundled data may lie.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quarry::cli {

// Folders above the model and above the program, and the current one.
std::vector<std::filesystem::path> DataRoots(const std::string& model);

}  // namespace quarry::cli
