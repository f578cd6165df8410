// Small JSON files from outside: bounded parsing, and getters whose errors name the file, the key,
// the value found and what is expected.
//
// Not for tokenizer.json or safetensors headers, which are large and have readers of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "quarry/status.h"

namespace quarry {

struct JsonLimits {
  size_t bytes = size_t{4} << 20;
  size_t values = size_t{1} << 18;
  int depth = 32;  // of nested objects and lists
};

// One JSON value and nothing after it, whitespace aside. Refuses a text longer or nested deeper
// than `limits`, invalid UTF-8, numbers that no double holds, and an object that has a key twice
// (readers differ in which of the two they take). `name` starts every message; syntax errors give
// line and column: `config.json:3:14: not valid JSON: ...`.
Result<nlohmann::json> ParseJson(std::string_view text, std::string_view name,
                                 const JsonLimits& limits = {});

// `name:line:column: not valid JSON: reason`, for readers that run nlohmann's parser themselves.
// `position` is the number of bytes of `text` that it had read, the offending one included; `what`
// its exception's text.
Status JsonSyntaxError(std::string_view text, size_t position, std::string_view name,
                       std::string_view what);

// What messages show of a value: 6, "six", null, an object, a list.
std::string ShowJson(const nlohmann::json& value);

// Typed access to one object. The first failure goes to `error`, shared with the readers that
// Object() makes; after it every getter returns its fallback or the least value allowed, so a
// caller reads all it wants and looks at `error` once, before using any of it.
//
// Getters with a fallback return it for a key that is absent or null; those without need the key.
class JsonReader {
 public:
  // `name` is the file's; `value` must be an object, else `error` says so. Keeps references to
  // `value` and `error`.
  JsonReader(const nlohmann::json& value, std::string_view name, Status& error);

  bool ok() const { return error_->ok(); }
  const std::string& file() const { return name_; }
  // Present and not null.
  bool Has(std::string_view key) const;
  // Present, null included.
  bool Contains(std::string_view key) const;

  // In [min, max]; 4096.0 counts as an integer.
  int64_t Int(std::string_view key, int64_t min, int64_t max) const;
  int64_t IntOr(std::string_view key, int64_t min, int64_t max, int64_t fallback) const;
  std::optional<int64_t> OptionalInt(std::string_view key, int64_t min, int64_t max) const;
  // In [min, max]; never NaN.
  double Number(std::string_view key, double min, double max) const;
  double NumberOr(std::string_view key, double min, double max, double fallback) const;
  std::optional<double> OptionalNumber(std::string_view key, double min, double max) const;
  bool BoolOr(std::string_view key, bool fallback) const;
  std::string String(std::string_view key) const;
  std::string StringOr(std::string_view key, std::string_view fallback) const;

  // A list of exactly `count` numbers in [min, max].
  std::vector<double> Numbers(std::string_view key, size_t count, double min, double max) const;
  // A list of at most `max_count` strings; empty if absent or null.
  std::vector<std::string> Strings(std::string_view key, size_t max_count) const;
  // An integer, or a list of at most `max_count` integers; empty if absent or null.
  std::vector<int64_t> IntOrList(std::string_view key, int64_t min, int64_t max,
                                 size_t max_count) const;

  // The object under `key`; an empty one, and a failure, if it is something else.
  JsonReader Object(std::string_view key) const;

  std::vector<std::string_view> keys() const;
  // "config.json: rope_scaling.factor"
  std::string Name(std::string_view key) const;
  // Records "<Name(key)> is <value>, <must>". REQUIRES: Contains(key).
  void Reject(std::string_view key, std::string_view must,
              StatusCode code = StatusCode::kCorruptData) const;
  void Fail(Status status) const;

 private:
  const nlohmann::json* Get(std::string_view key) const;
  const nlohmann::json* Require(std::string_view key, std::string_view must) const;

  const nlohmann::json* object_;
  std::string name_;
  std::string path_;  // "rope_scaling.", or empty
  Status* error_;
};

}  // namespace quarry
