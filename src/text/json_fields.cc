#include "text/json_fields.h"

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"

namespace quarry::text {
namespace {

std::string_view TypeName(simdjson::dom::element value) {
  using Type = simdjson::dom::element_type;
  switch (value.type()) {
    case Type::ARRAY:
      return "an array";
    case Type::OBJECT:
      return "an object";
    case Type::INT64:
    case Type::UINT64:
    case Type::DOUBLE:
      return "a number";
    case Type::STRING:
      return "a string";
    case Type::BOOL:
      return "a boolean";
    case Type::NULL_VALUE:
      return "null";
  }
  return "something else";
}

std::string Expected(std::string_view what, simdjson::dom::element value) {
  return fmt::format("is {}, must be {}", TypeName(value), what);
}

}  // namespace

JsonFields::JsonFields(simdjson::dom::element value, std::string where) : where_(std::move(where)) {
  is_object_ = value.get(object_) == simdjson::SUCCESS;
  if (!is_object_) {
    Fail(CorruptData(fmt::format("{}: {}", where_, Expected("an object", value))));
  }
}

void JsonFields::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Status JsonFields::Error(std::string_view key, std::string_view problem) const {
  return CorruptData(fmt::format("{}{}{} {}", where_, where_.empty() ? "" : ".", key, problem));
}

std::optional<simdjson::dom::element> JsonFields::Get(const char* key) const {
  if (!is_object_) return std::nullopt;
  simdjson::dom::element value;
  if (object_.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

std::optional<simdjson::dom::element> JsonFields::Required(const char* key) {
  const auto value = Get(key);
  if (!value) Fail(Error(key, "is missing"));
  return value;
}

std::optional<std::string_view> JsonFields::OptionalString(const char* key) {
  const auto value = Get(key);
  if (!value) return std::nullopt;
  std::string_view text;
  if (value->get(text) != simdjson::SUCCESS) {
    Fail(Error(key, Expected("a string", *value)));
    return std::nullopt;
  }
  return text;
}

std::string_view JsonFields::String(const char* key) {
  if (!Required(key)) return {};
  return OptionalString(key).value_or("");
}

std::string_view JsonFields::Char(const char* key) {
  const std::string_view text = String(key);
  if (!ok()) return " ";
  if (text.empty() || static_cast<size_t>(DecodeUtf8(text, 0).length) != text.size()) {
    Fail(Error(key, fmt::format("is {}, must be one character", Quoted(text))));
    return " ";
  }
  return text;
}

bool JsonFields::Bool(const char* key, bool absent) {
  const auto value = Get(key);
  if (!value) return absent;
  bool out = absent;
  if (value->get(out) != simdjson::SUCCESS) Fail(Error(key, Expected("a boolean", *value)));
  return out;
}

std::optional<int64_t> JsonFields::OptionalInt(const char* key) {
  const auto value = Get(key);
  if (!value) return std::nullopt;
  int64_t out = 0;
  if (value->get(out) != simdjson::SUCCESS) {
    Fail(Error(key, Expected("a whole number", *value)));
    return std::nullopt;
  }
  return out;
}

int64_t JsonFields::Int(const char* key) {
  if (!Required(key)) return 0;
  return OptionalInt(key).value_or(0);
}

simdjson::dom::object JsonFields::Members(const char* key) {
  simdjson::dom::object out;
  const auto value = Required(key);
  if (value && value->get(out) != simdjson::SUCCESS) {
    Fail(Error(key, Expected("an object", *value)));
  }
  return out;
}

simdjson::dom::array JsonFields::Elements(const char* key) {
  simdjson::dom::array out;
  const auto value = Required(key);
  if (value && value->get(out) != simdjson::SUCCESS) {
    Fail(Error(key, Expected("an array", *value)));
  }
  return out;
}

std::vector<JsonFields> JsonFields::Objects(const char* key) {
  std::vector<JsonFields> out;
  if (!Has(key)) return out;
  const simdjson::dom::array elements = Elements(key);
  if (!ok()) return out;
  for (const simdjson::dom::element element : elements) {
    out.emplace_back(element,
                     fmt::format("{}{}{}[{}]", where_, where_.empty() ? "" : ".", key, out.size()));
    if (!out.back().ok()) {
      Fail(out.back().status());
      break;
    }
  }
  return out;
}

std::optional<JsonFields> JsonFields::Object(const char* key) {
  const auto value = Get(key);
  if (!value) return std::nullopt;
  JsonFields out(*value, fmt::format("{}{}{}", where_, where_.empty() ? "" : ".", key));
  Fail(out.status());
  return out;
}

}  // namespace quarry::text
