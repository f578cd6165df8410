#include "format/yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest_name.h"
#include "base/quoted.h"

namespace quarry {
namespace {

// The whole of `text` as a number in decimal notation; std::from_chars takes no leading plus.
template <typename T>
std::optional<T> Parse(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> ToNumber(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.quoted) return std::nullopt;
  const std::optional<double> value = Parse<double>(node.scalar);
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return value;
}

// 16, 16.0 and 1.6e1 are the same integer.
std::optional<int64_t> ToInt(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.quoted) return std::nullopt;
  if (const auto value = Parse<int64_t>(node.scalar)) return value;
  const std::optional<double> value = ToNumber(node);
  if (!value || std::abs(*value) > 0x1p53 || *value != std::trunc(*value)) return std::nullopt;
  return static_cast<int64_t>(*value);
}

// The spellings of YAML 1.1, which the original projects' files follow.
std::optional<bool> ToBool(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.quoted) return std::nullopt;
  for (std::string_view yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (node.scalar == yes) return true;
  }
  for (std::string_view no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (node.scalar == no) return false;
  }
  return std::nullopt;
}

}  // namespace

const YamlEntry* YamlNode::Find(std::string_view key) const {
  const auto it = std::find_if(entries.begin(), entries.end(),
                               [&](const YamlEntry& entry) { return entry.key == key; });
  return it == entries.end() ? nullptr : &*it;
}

YamlEntry* YamlNode::Find(std::string_view key) {
  return const_cast<YamlEntry*>(std::as_const(*this).Find(key));
}

std::string ShowYaml(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  return ToNumber(node) ? node.scalar : Quoted(node.scalar);
}

std::string YamlPlace(std::string_view file, const YamlEntry& entry) {
  return entry.line == 0 ? "override" : fmt::format("{}:{}", file, entry.line);
}

YamlReader::YamlReader(const YamlNode& map, std::string_view file, std::string_view path,
                       Status& error)
    : map_(&map), read_(map.entries.size()), file_(file), error_(&error) {
  if (!path.empty()) path_ = fmt::format("{}.", path);
}

const YamlEntry* YamlReader::Get(std::string_view key) {
  const YamlEntry* entry = map_->Find(key);
  if (entry != nullptr) read_[static_cast<size_t>(entry - map_->entries.data())] = true;
  return entry;
}

bool YamlReader::Has(std::string_view key) {
  const YamlEntry* entry = Get(key);
  return entry != nullptr && entry->value.kind != YamlNode::Kind::kNull;
}

bool YamlReader::Require(std::string_view key, std::string_view must, std::string_view needed_by) {
  if (Has(key)) return true;
  if (Get(key) != nullptr) {
    Reject(key, must);
  } else {
    std::string slip;  // a key that it may be but for one or two letters
    for (const YamlEntry* entry : Unread()) {
      const int edits = EditDistance(entry->key, key);
      if (edits <= 2 && 2 * edits < static_cast<int>(key.size()))
        slip = fmt::format("; is \"{}\" it?", entry->key);
    }
    Fail(InvalidArgument(
        fmt::format("{} is missing, required by {}, {}{}", Name(key), needed_by, must, slip)));
  }
  return false;
}

int64_t YamlReader::Int(std::string_view key, std::string_view needed_by) {
  return Require(key, "must be an integer", needed_by) ? IntOr(key, 0) : 0;
}

double YamlReader::Number(std::string_view key, std::string_view needed_by) {
  return Require(key, "must be a number", needed_by) ? NumberOr(key, 0) : 0;
}

std::string YamlReader::String(std::string_view key, std::string_view needed_by) {
  return Require(key, "must be a string", needed_by) ? StringOr(key, "") : "";
}

int64_t YamlReader::IntOr(std::string_view key, int64_t fallback) {
  if (!Has(key)) return fallback;
  if (const auto value = ToInt(Get(key)->value)) return *value;
  Reject(key, "must be an integer");
  return fallback;
}

double YamlReader::NumberOr(std::string_view key, double fallback) {
  if (!Has(key)) return fallback;
  if (const auto value = ToNumber(Get(key)->value)) return *value;
  Reject(key, "must be a number");
  return fallback;
}

bool YamlReader::BoolOr(std::string_view key, bool fallback) {
  if (!Has(key)) return fallback;
  if (const auto value = ToBool(Get(key)->value)) return *value;
  Reject(key, "must be true or false");
  return fallback;
}

std::string YamlReader::StringOr(std::string_view key, std::string_view fallback) {
  if (!Has(key)) return std::string(fallback);
  const YamlNode& value = Get(key)->value;
  if (value.kind == YamlNode::Kind::kScalar && !value.scalar.empty()) return value.scalar;
  Reject(key, "must be a string");
  return std::string(fallback);
}

size_t YamlReader::OneOf(std::string_view key, std::span<const std::string_view> names,
                         size_t fallback) {
  if (!Has(key)) return fallback;
  const YamlNode& value = Get(key)->value;
  if (value.kind == YamlNode::Kind::kScalar) {
    const auto it = std::find(names.begin(), names.end(), value.scalar);
    if (it != names.end()) return static_cast<size_t>(it - names.begin());
  }
  Reject(key, fmt::format("must be one of {}", fmt::join(names, ", ")));
  return fallback;
}

const YamlNode* YamlReader::Map(std::string_view key) {
  if (!Has(key)) return nullptr;
  const YamlNode& value = Get(key)->value;
  if (value.kind == YamlNode::Kind::kMap) return &value;
  Reject(key, "must be a map");
  return nullptr;
}

std::vector<const YamlEntry*> YamlReader::Unread() const {
  std::vector<const YamlEntry*> out;
  for (size_t i = 0; i < read_.size(); ++i) {
    if (!read_[i]) out.push_back(&map_->entries[i]);
  }
  return out;
}

std::string YamlReader::Name(std::string_view key) const {
  const YamlEntry* entry = map_->Find(key);
  if (entry == nullptr) return fmt::format("{}: {}{}", file_, path_, key);
  return fmt::format("{}: {}", YamlPlace(file_, *entry), entry->path);
}

void YamlReader::Reject(std::string_view key, std::string_view must) {
  Fail(InvalidArgument(
      fmt::format("{} is {}, {}", Name(key), ShowYaml(map_->Find(key)->value), must)));
}

void YamlReader::Fail(Status status) {
  if (error_->ok()) *error_ = std::move(status);
}

}  // namespace quarry
