// What decides a result, in 16 hex digits.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "quarry/status.h"

namespace quarry::eval {

// The first 16 hex digits of SHA-256.
std::string Fingerprint(std::string_view text);

// Of a model: a file's size and its first and last MiB; of a folder config.json, the tokenizer's
// files, and of each weights file its size and its first and last MiB. Reading all of a large model
// would take minutes.
Result<std::string> ModelFingerprint(const std::filesystem::path& folder);

}  // namespace quarry::eval
