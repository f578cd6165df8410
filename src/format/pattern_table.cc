#include "quarry/pattern_table.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/nearest_name.h"
#include "base/quoted.h"
#include "format/json.h"

namespace quarry {
namespace {

using nlohmann::json;

constexpr int kMaxLayers = 10000;
constexpr int kMaxHeads = 4096;
constexpr int64_t kMaxSize = int64_t{1} << 30;

struct NamedType {
  std::string_view name;
  HeadPatternType type;
};
constexpr NamedType kTypes[] = {{"vertical_and_slash", HeadPatternType::kVerticalSlash},
                                {"stream_llm", HeadPatternType::kAShape},
                                {"block_sparse", HeadPatternType::kBlockSparse}};

std::optional<int> ParseHead(std::string_view text) {
  int head = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), head);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  // One spelling a head, so that no head appears twice.
  if (head < 0 || head >= kMaxHeads || fmt::to_string(head) != text) return std::nullopt;
  return head;
}

Result<HeadPatternType> ParseType(const json& value, std::string_view where) {
  std::vector<std::string_view> names;
  for (const NamedType& t : kTypes) {
    names.push_back(t.name);
    if (value.is_string() && value.get_ref<const std::string&>() == t.name) return t.type;
  }
  return CorruptData(
      fmt::format("{}: the type is {}, must be vertical_and_slash, stream_llm or block_sparse{}",
                  where, ShowJson(value),
                  value.is_string() ? Suggestion(value.get_ref<const std::string&>(), names) : ""));
}

Result<int64_t> ParseSize(const json& value, int64_t min, std::string_view what,
                          std::string_view where) {
  if (value.is_number_integer()) {
    const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= kMaxSize;
    const int64_t n = fits ? value.get<int64_t>() : -1;
    if (n >= min && n <= kMaxSize) return n;
  }
  return CorruptData(fmt::format("{}: {} is {}, must be an integer between {} and {}", where, what,
                                 ShowJson(value), min, kMaxSize));
}

Result<HeadPattern> ParseHeadPattern(const json& value, std::string_view where) {
  if (!value.is_array() || value.size() != 4) {
    return CorruptData(fmt::format(
        "{} is {}, must be a list of type, two sizes and a score", where,
        value.is_array() ? fmt::format("a list of {}", value.size()) : ShowJson(value)));
  }
  HeadPattern pattern;
  const Result<HeadPatternType> type = ParseType(value[0], where);
  if (!type.ok()) return type.status();
  pattern.type = *type;
  const Result<int64_t> first = ParseSize(value[1], 0, "the first size", where);
  if (!first.ok()) return first.status();
  // A query always sees itself.
  const int64_t least = pattern.type == HeadPatternType::kAShape ? 1 : 0;
  const Result<int64_t> second = ParseSize(value[2], least, "the second size", where);
  if (!second.ok()) return second.status();
  if (!value[3].is_number()) {
    return CorruptData(
        fmt::format("{}: the score is {}, must be a number", where, ShowJson(value[3])));
  }
  pattern.first = *first;
  pattern.second = *second;
  pattern.score = value[3].get<double>();
  pattern.score_is_count = value[3].is_number_integer();
  return pattern;
}

Result<std::map<int, HeadPattern>> ParseLayer(const json& value, std::string_view where) {
  if (!value.is_object()) {
    return CorruptData(
        fmt::format("{} is {}, must be an object from head to pattern", where, ShowJson(value)));
  }
  std::map<int, HeadPattern> heads;
  for (const auto& [key, entry] : value.items()) {
    const std::optional<int> head = ParseHead(key);
    if (!head) {
      return CorruptData(fmt::format("{}: head {} must be a number between 0 and {}", where,
                                     Quoted(key), kMaxHeads - 1));
    }
    Result<HeadPattern> pattern = ParseHeadPattern(entry, fmt::format("{}, head {}", where, *head));
    if (!pattern.ok()) return pattern.status();
    heads.emplace(*head, *pattern);
  }
  return heads;
}

}  // namespace

int PatternTable::heads() const {
  int n = 0;
  for (const auto& layer : layers) {
    if (!layer.empty()) n = std::max(n, layer.rbegin()->first + 1);
  }
  return n;
}

std::string_view HeadPatternTypeName(HeadPatternType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

Result<PatternTable> ParsePatternTable(std::string_view text, std::string_view name) {
  const Result<json> root = ParseJson(text, name);
  if (!root.ok()) return root.status();
  if (!root->is_array()) {
    return CorruptData(
        fmt::format("{}: is {}, must be a list of one object a layer", name, ShowJson(*root)));
  }
  if (root->size() > kMaxLayers) {
    return CorruptData(
        fmt::format("{}: has {} layers, must be at most {}", name, root->size(), kMaxLayers));
  }
  PatternTable table;
  table.name = name;
  for (const json& layer : *root) {
    auto heads = ParseLayer(layer, fmt::format("{}: layer {}", name, table.layers.size()));
    if (!heads.ok()) return heads.status();
    table.layers.push_back(std::move(*heads));
  }
  return table;
}

Result<PatternTable> ReadPatternTable(const std::filesystem::path& path) {
  const Result<std::string> text = ReadFile(path, JsonLimits().bytes);
  if (!text.ok()) return text.status();
  return ParsePatternTable(*text, path.string());
}

std::string FormatPatternTable(const PatternTable& table) {
  nlohmann::ordered_json root = nlohmann::ordered_json::array();
  for (const auto& layer : table.layers) {
    nlohmann::ordered_json heads = nlohmann::ordered_json::object();
    for (const auto& [head, p] : layer) {
      nlohmann::ordered_json entry = {HeadPatternTypeName(p.type), p.first, p.second};
      if (p.score_is_count) {
        constexpr double kMost = 0x1p62;  // a file may say anything
        entry.push_back(static_cast<int64_t>(std::clamp(p.score, -kMost, kMost)));
      } else {
        entry.push_back(p.score);
      }
      heads[fmt::to_string(head)] = std::move(entry);
    }
    root.push_back(std::move(heads));
  }
  return root.dump(2) + "\n";
}

Status WritePatternTable(const std::filesystem::path& path, const PatternTable& table) {
  return WriteFileAtomically(path, FormatPatternTable(table));
}

}  // namespace quarry
