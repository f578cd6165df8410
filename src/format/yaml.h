// YAML from outside as a tree with line numbers, bounded in every direction, and typed getters
// whose errors name the file, the line, the key, the value found and what is expected.
//
// What configuration files need of YAML: maps with scalar keys, lists, scalars, comments, anchors.
// Refused: repeated keys, merge keys (<<), tags other than the standard ones, quoted text over
// several lines, several documents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry {

struct YamlEntry;

struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string scalar;              // as written, without quotes and escapes
  bool quoted = false;             // "8" is not a number
  std::vector<YamlNode> items;     // of a list
  std::vector<YamlEntry> entries;  // of a map, in the order of the file, keys unique

  const YamlEntry* Find(std::string_view key) const;
  YamlEntry* Find(std::string_view key);
};

struct YamlEntry {
  std::string key;
  std::string path;  // from the top: "model.topk"
  int line = 0;      // of the key, from 1; 0 if it comes from an override
  YamlNode value;
};

struct YamlLimits {
  // Of the text, and of its scalars and values with aliases written out.
  size_t bytes = size_t{64} << 10;
  size_t nodes = 10000;
  int depth = 16;
};

// The one document of `text`. `name` starts every message: "run.yaml:3: ...".
Result<YamlNode> ParseYaml(std::string_view text, std::string_view name,
                           const YamlLimits& limits = {});

// What messages show of a value: 6, "six", null, a map, a list.
std::string ShowYaml(const YamlNode& node);

// Typed access to one map; remembers what was asked for, so that the rest can be reported. The
// first failure goes to `error`, after which getters return their fallback or 0.
class YamlReader {
 public:
  // Keeps references to `map` (REQUIRES: a map) and `error`. `path` is the map's own, empty for the
  // top level.
  YamlReader(const YamlNode& map, std::string_view file, std::string_view path, Status& error);

  bool ok() const { return error_->ok(); }
  // Present and not null. Marks the key as read.
  bool Has(std::string_view key);

  // The key must be there, and messages say who needs it: "required by qllm".
  int64_t Int(std::string_view key, std::string_view needed_by);
  double Number(std::string_view key, std::string_view needed_by);
  std::string String(std::string_view key, std::string_view needed_by);
  // The fallback is for keys that are absent or null.
  int64_t IntOr(std::string_view key, int64_t fallback);
  double NumberOr(std::string_view key, double fallback);
  bool BoolOr(std::string_view key, bool fallback);
  std::string StringOr(std::string_view key, std::string_view fallback);
  // Index into `names` of the value.
  size_t OneOf(std::string_view key, std::span<const std::string_view> names, size_t fallback);
  // The map under `key`; null if absent or null, a failure if something else.
  const YamlNode* Map(std::string_view key);

  // Entries that no getter has asked for, in the order of the file.
  std::vector<const YamlEntry*> Unread() const;
  // "run.yaml:3: model.topk" for a key that is there, "run.yaml: model.topk" for one that is not.
  std::string Name(std::string_view key) const;
  // Records "<Name(key)> is <value>, <must>". REQUIRES: the key is there.
  void Reject(std::string_view key, std::string_view must);
  void Fail(Status status);

 private:
  const YamlEntry* Get(std::string_view key);
  bool Require(std::string_view key, std::string_view must, std::string_view needed_by);

  const YamlNode* map_;
  std::vector<bool> read_;  // parallel to map_->entries
  std::string file_;
  std::string path_;
  Status* error_;
};

// "run.yaml:3", or "override" for an entry that a command line gave.
std::string YamlPlace(std::string_view file, const YamlEntry& entry);

}  // namespace quarry
