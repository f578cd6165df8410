// Reads files that may be compressed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace quarry {

// The contents of `path`, or of `path` + ".gz" uncompressed; nullopt if neither can be read.
std::optional<std::string> ReadMaybeGzip(const std::filesystem::path& path);

}  // namespace quarry
