#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/quoted.h"
#include "format/run_config.h"

namespace quarry {
namespace {

constexpr size_t kMaxDepth = 8;

std::vector<std::string_view> SplitAtDots(std::string_view path) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t dot = path.find('.');
    parts.push_back(path.substr(0, dot));
    if (dot == path.npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

// The entry called `key` of `map`, made if it is not there.
YamlEntry& FindOrAdd(YamlNode& map, std::string_view key, std::string_view parent_path) {
  if (YamlEntry* entry = map.Find(key)) return *entry;
  YamlEntry entry;
  entry.key = key;
  entry.path = parent_path.empty() ? std::string(key) : fmt::format("{}.{}", parent_path, key);
  map.entries.push_back(std::move(entry));
  return map.entries.back();
}

Status ApplyOverride(std::string_view text, YamlNode& root) {
  const std::string what = fmt::format("override {}", OneLine(text, 80));
  const size_t equals = text.find('=');
  if (equals == text.npos) {
    return InvalidArgument(fmt::format("{}: has no \"=\", must be key=value", what));
  }
  const std::string_view path = text.substr(0, equals);
  std::vector<std::string_view> keys = SplitAtDots(path);
  if (std::find(keys.begin(), keys.end(), "") != keys.end() || keys.size() > kMaxDepth) {
    return InvalidArgument(
        fmt::format("{}: {} is no key, must be like topk or model.topk", what, Quoted(path)));
  }
  if (keys[0] == "prefill" || keys[0] == "decode") {
    keys.insert(keys.begin(), "attention");
  }
  if (!Contains(RunConfigKeys(), keys[0])) {
    if (keys.size() > 1 || !Contains(ModelKeys(), keys[0])) {
      std::vector<std::string_view> known(RunConfigKeys().begin(), RunConfigKeys().end());
      known.insert(known.end(), ModelKeys().begin(), ModelKeys().end());
      return InvalidArgument(
          fmt::format("{}: unknown key {}{}", what, Quoted(keys[0]), Suggestion(keys[0], known)));
    }
    keys.insert(keys.begin(), "model");
  }

  Result<YamlNode> value = ParseYaml(text.substr(equals + 1), what);
  if (!value.ok()) return value.status();
  if (value->kind == YamlNode::Kind::kMap || value->kind == YamlNode::Kind::kList) {
    return InvalidArgument(
        fmt::format("{}: the value is {}, must be a scalar", what, ShowYaml(*value)));
  }

  YamlNode* map = &root;
  YamlEntry* entry = nullptr;
  for (std::string_view key : keys) {
    if (map->kind == YamlNode::Kind::kNull) map->kind = YamlNode::Kind::kMap;
    // attention.decode: quest is short for attention.decode.type: quest.
    if (map->kind == YamlNode::Kind::kScalar && entry->path.starts_with("attention.")) {
      YamlNode type = std::move(*map);
      *map = YamlNode();
      map->kind = YamlNode::Kind::kMap;
      FindOrAdd(*map, "type", entry->path).value = std::move(type);
    }
    if (map->kind != YamlNode::Kind::kMap) {
      return InvalidArgument(
          fmt::format("{}: {} is {}, must be a map", what, entry->path, ShowYaml(*map)));
    }
    entry = &FindOrAdd(*map, key, entry == nullptr ? "" : entry->path);
    map = &entry->value;
  }
  entry->value = *std::move(value);
  entry->line = 0;
  return OkStatus();
}

}  // namespace

Status ApplyOverrides(std::span<const std::string> overrides, YamlNode& root) {
  for (const std::string& text : overrides) {
    if (Status s = ApplyOverride(text, root); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace quarry
