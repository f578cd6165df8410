// Models in several GGUF files.

#include <algorithm>
#include <fstream>
#include <string_view>

#include <fmt/format.h>

#include "base/quoted.h"
#include "format/gguf.h"

namespace quarry {
namespace {

constexpr int64_t kMaxParts = 10000;

// "name-00001-of-00003.gguf" -> "name"; nullopt if the file is not called like that.
std::optional<std::string> StemOfParts(const std::string& file, int64_t part, int64_t count) {
  const std::string ending = fmt::format("-{:05}-of-{:05}.gguf", part, count);
  if (!file.ends_with(ending)) return std::nullopt;
  return file.substr(0, file.size() - ending.size());
}

}  // namespace

bool IsGgufPath(const std::filesystem::path& path) {
  if (path.extension() == ".gguf") return true;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof magic);
  return std::string_view(magic, sizeof magic) == "GGUF";
}

Result<GgufModel> GgufModel::Open(const std::filesystem::path& path, const GgufLimits& limits) {
  Result<GgufFile> first = GgufFile::Open(path, limits);
  if (!first.ok()) return first.status();
  Status error;
  const GgufReader in(*first, error);
  const int64_t parts = std::max<int64_t>(1, in.IntOr("split.count", 0, kMaxParts, 1));
  const int64_t number = in.IntOr("split.no", 0, kMaxParts, 0);
  if (!error.ok()) return error;
  if (number != 0) {
    return InvalidArgument(
        fmt::format("{}: is part {} of {}, name the first part", path.string(), number + 1, parts));
  }
  GgufModel model;
  model.parts_.push_back(std::move(*first));
  if (parts > 1) {
    const auto stem = StemOfParts(path.filename().string(), 1, parts);
    if (!stem) {
      return CorruptData(
          fmt::format("{}: is the first of {} parts, its name must end in "
                      "-00001-of-{:05}.gguf",
                      path.string(), parts, parts));
    }
    for (int64_t i = 2; i <= parts; ++i) {
      Result<GgufFile> part = GgufFile::Open(
          path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", *stem, i, parts), limits);
      if (!part.ok()) return part.status();
      model.parts_.push_back(std::move(*part));
    }
  }
  if (const Status s = model.Index(); !s.ok()) return s;
  return model;
}

Result<GgufModel> GgufModel::FromBytes(std::span<const std::byte> bytes, std::string_view name,
                                       const GgufLimits& limits) {
  Result<GgufFile> file = GgufFile::FromBytes(bytes, name, limits);
  if (!file.ok()) return file.status();
  GgufModel model;
  model.parts_.push_back(std::move(*file));
  if (const Status s = model.Index(); !s.ok()) return s;
  return model;
}

Status GgufModel::Index() {
  for (const GgufFile& part : parts_) {
    for (const GgufTensorInfo& t : part.tensors()) names_.emplace_back(t.name);
  }
  std::sort(names_.begin(), names_.end());
  const auto twice = std::adjacent_find(names_.begin(), names_.end());
  if (twice == names_.end()) return OkStatus();
  return CorruptData(
      fmt::format("{}: tensor {} is in two of the parts", metadata().name(), Quoted(*twice)));
}

bool GgufModel::Contains(std::string_view tensor) const {
  return std::binary_search(names_.begin(), names_.end(), tensor);
}

Result<WeightView> GgufModel::Find(std::string_view tensor) const {
  for (const GgufFile& part : parts_) {
    if (part.Contains(tensor)) return part.Find(tensor);
  }
  return NotFound(fmt::format("{}: no tensor {}", metadata().name(), Quoted(tensor)));
}

}  // namespace quarry
