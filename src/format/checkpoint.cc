#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quoted.h"
#include "format/json.h"
#include "format/safetensors.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;
constexpr size_t kMaxShards = 10000;

// A shard lies beside its index: a path in its name would reach outside the model's folder.
bool IsPlainFileName(std::string_view file) {
  return !file.empty() && file != "." && file != ".." && file.find('/') == file.npos &&
         file.find('\0') == file.npos;
}

// The file of `path` that says where the tensors are.
Result<fs::path> FindEntryFile(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  for (std::string_view name : {kSingleFile, kIndexFile}) {
    if (fs::exists(path / name, error)) return path / name;
  }
  return NotFound(fmt::format("{}: has neither {} nor {}", path.string(), kSingleFile, kIndexFile));
}

}  // namespace

Result<std::map<std::string, std::string>> ParseSafetensorsIndex(std::string_view json,
                                                                 std::string_view name,
                                                                 const SafetensorsLimits& limits) {
  constexpr size_t kOtherValues = 1000;  // "metadata" and what else may stand beside weight_map
  const Result<nlohmann::json> root = ParseJson(json, name,
                                                {.bytes = static_cast<size_t>(kMaxIndexBytes),
                                                 .values = limits.tensors + kOtherValues,
                                                 .depth = 8});
  if (!root.ok()) return root.status();
  Status error;
  const JsonReader index = JsonReader(*root, name, error).Object("weight_map");
  if (!error.ok()) return error;
  std::map<std::string, std::string> weight_map;
  for (std::string_view tensor : index.keys()) {
    std::string file = index.String(tensor);
    if (!error.ok()) return error;
    if (!IsPlainFileName(file)) {
      return CorruptData(fmt::format("{} is {}, must be the name of a file in the same folder",
                                     index.Name(tensor), Quoted(file)));
    }
    if (weight_map.size() == limits.tensors) {
      return CorruptData(
          fmt::format("{}: weight_map has more than {} tensors", name, limits.tensors));
    }
    weight_map.emplace(tensor, std::move(file));
  }
  return weight_map;
}

Result<Checkpoint> Checkpoint::Open(const fs::path& path, const SafetensorsLimits& limits) {
  const Result<fs::path> entry = FindEntryFile(path);
  if (!entry.ok()) return entry.status();
  Checkpoint out;
  out.name_ = entry->string();

  if (entry->extension() != ".json") {
    Result<SafetensorsFile> file = SafetensorsFile::Open(*entry, limits);
    if (!file.ok()) return file.status();
    for (const TensorInfo& t : file->tensors()) out.names_.push_back(t.name);
    out.shard_of_.assign(out.names_.size(), 0);
    out.shards_.push_back(*std::move(file));
    return out;
  }

  const Result<std::string> text = ReadFile(*entry, kMaxIndexBytes);
  if (!text.ok()) return text.status();
  const Result<std::map<std::string, std::string>> weight_map =
      ParseSafetensorsIndex(*text, out.name_, limits);
  if (!weight_map.ok()) return weight_map.status();

  std::map<std::string_view, uint32_t> shard_numbers;
  for (const auto& [tensor, file_name] : *weight_map) {
    auto it = shard_numbers.find(file_name);
    if (it == shard_numbers.end()) {
      if (out.shards_.size() == kMaxShards) {
        return CorruptData(fmt::format("{}: names more than {} files", out.name_, kMaxShards));
      }
      Result<SafetensorsFile> shard =
          SafetensorsFile::Open(entry->parent_path() / file_name, limits);
      if (!shard.ok()) return shard.status().WithPrefix(out.name_);
      it = shard_numbers.emplace(file_name, static_cast<uint32_t>(out.shards_.size())).first;
      out.shards_.push_back(*std::move(shard));
    }
    if (!out.shards_[it->second].Contains(tensor)) {
      return CorruptData(fmt::format("{}: says that tensor {} is in {}, which lacks it", out.name_,
                                     Quoted(tensor), Quoted(file_name)));
    }
    out.names_.push_back(tensor);
    out.shard_of_.push_back(it->second);
  }
  return out;
}

bool Checkpoint::Contains(std::string_view tensor) const {
  return std::binary_search(names_.begin(), names_.end(), tensor);
}

Result<TensorView> Checkpoint::Find(std::string_view tensor) const {
  const auto it = std::lower_bound(names_.begin(), names_.end(), tensor);
  if (it == names_.end() || *it != tensor) {
    return NotFound(fmt::format("{}: no tensor {}", name_, Quoted(tensor)));
  }
  return shards_[shard_of_[static_cast<size_t>(it - names_.begin())]].Find(tensor);
}

}  // namespace quarry
