// Reading JSON from outside: every access checks the type, and errors say where.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "quarry/status.h"

namespace quarry::text {

// The fields of one JSON object. The first problem is kept, later reads return their defaults; so a
// reader asks for all it needs and checks status() once. A field that is null counts as absent.
class JsonFields {
 public:
  // `where` names the object in messages: "pre_tokenizer.pretokenizers[1]".
  JsonFields(simdjson::dom::element value, std::string where);

  const std::string& where() const { return where_; }
  const Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }
  // Keeps `status` if it is the first problem.
  void Fail(Status status);
  Status Error(std::string_view key, std::string_view problem) const;

  bool Has(const char* key) const { return Get(key).has_value(); }
  std::string_view String(const char* key);
  std::optional<std::string_view> OptionalString(const char* key);
  bool Bool(const char* key, bool absent);
  int64_t Int(const char* key);
  std::optional<int64_t> OptionalInt(const char* key);
  // Exactly one character, in UTF-8.
  std::string_view Char(const char* key);

  std::optional<simdjson::dom::element> Get(const char* key) const;
  // The elements, each with its place for messages; empty if absent.
  std::vector<JsonFields> Objects(const char* key);
  std::optional<JsonFields> Object(const char* key);
  simdjson::dom::object Members(const char* key);
  simdjson::dom::array Elements(const char* key);

 private:
  std::optional<simdjson::dom::element> Required(const char* key);

  simdjson::dom::object object_;
  bool is_object_ = false;
  std::string where_;
  Status status_;
};

}  // namespace quarry::text
