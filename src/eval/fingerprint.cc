#include "eval/fingerprint.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/file.h"
#include "eval/sha256.h"

namespace quarry::eval {
namespace {

constexpr size_t kEnds = size_t{1} << 20;

bool IsPart(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name == "config.json" || name == "tokenizer.json" || name == "tokenizer.model" ||
         name == "tokenizer_config.json" || name == "generation_config.json" ||
         path.extension() == ".safetensors" || path.extension() == ".jinja";
}

}  // namespace

std::string Fingerprint(std::string_view text) { return Sha256Hex(text).substr(0, 16); }

Result<std::string> ModelFingerprint(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  const bool one_file = std::filesystem::is_regular_file(folder, error);
  if (one_file) files.push_back(folder);
  error.clear();
  for (std::filesystem::directory_iterator
           it = one_file ? std::filesystem::directory_iterator()
                         : std::filesystem::directory_iterator(folder, error),
           end;
       !error && it != end; it.increment(error)) {
    if (IsPart(it->path())) files.push_back(it->path());
  }
  if (error) return NotFound(fmt::format("{}: {}", folder.string(), error.message()));
  std::sort(files.begin(), files.end());
  std::string parts;
  for (const auto& path : files) {
    const Result<MappedFile> file = MappedFile::Open(path);
    if (!file.ok()) return file.status();
    const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()),
                                 file->bytes().size());
    const bool whole = bytes.size() <= 2 * kEnds;
    parts += fmt::format("{} {} {}", path.filename().string(), bytes.size(),
                         Sha256Hex(whole ? bytes : bytes.substr(0, kEnds)));
    if (!whole) parts += " " + Sha256Hex(bytes.substr(bytes.size() - kEnds));
    parts += "\n";
  }
  return Fingerprint(parts);
}

}  // namespace quarry::eval
