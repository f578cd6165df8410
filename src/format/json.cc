#include "format/json.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quoted.h"

namespace quarry {
namespace {

using nlohmann::json;

// Builds the value while it checks what nlohmann's own builder does not: limits and repeated keys.
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view text, std::string_view name, const JsonLimits& limits)
      : text_(text), name_(name), limits_(limits) {}

  const Status& error() const { return error_; }
  json Take() { return std::move(root_); }

  bool null() override { return Add(nullptr); }
  bool boolean(bool v) override { return Add(v); }
  bool number_integer(number_integer_t v) override { return Add(v); }
  bool number_unsigned(number_unsigned_t v) override { return Add(v); }
  bool number_float(number_float_t v, const string_t&) override { return Add(v); }
  bool string(string_t& v) override { return Add(std::move(v)); }
  bool binary(binary_t&) override { return false; }  // no such thing in JSON text

  bool start_object(size_t) override { return Open(json::object()); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(json::array()); }
  bool end_array() override { return Close(); }

  bool key(string_t& v) override {
    key_ = std::move(v);
    if (!open_.back()->contains(key_)) return true;
    error_ = CorruptData(fmt::format("{}: key {} appears twice", name_, Quoted(key_)));
    return false;
  }

  bool parse_error(size_t position, const std::string&, const json::exception& e) override {
    error_ = JsonSyntaxError(text_, position, name_, e.what());
    return false;
  }

 private:
  json* Place(json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }
  bool Count() {
    if (++n_values_ <= limits_.values) return true;
    error_ = CorruptData(fmt::format("{}: more than {} values", name_, limits_.values));
    return false;
  }
  bool Add(json value) {
    Place(std::move(value));
    return Count();
  }
  // The children of an open container are not moved while it is open: only the innermost one grows.
  bool Open(json&& container) {
    if (static_cast<int>(open_.size()) >= limits_.depth) {
      error_ = CorruptData(
          fmt::format("{}: nested deeper than {} objects and lists", name_, limits_.depth));
      return false;
    }
    open_.push_back(Place(std::move(container)));
    return Count();
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view name_;
  JsonLimits limits_;
  size_t n_values_ = 0;
  json root_;
  std::vector<json*> open_;
  std::string key_;
  Status error_;
};

std::string MustBeInt(int64_t min, int64_t max) {
  return fmt::format("must be an integer between {} and {}", min, max);
}
std::string MustBeNumber(double min, double max) {
  return fmt::format("must be a number between {} and {}", min, max);
}

std::optional<int64_t> ToInt(const json& v, int64_t min, int64_t max) {
  int64_t n = 0;
  if (v.is_number_unsigned()) {
    const auto u = v.get<uint64_t>();
    if (u > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    n = static_cast<int64_t>(u);
  } else if (v.is_number_integer()) {
    n = v.get<int64_t>();
  } else if (v.is_number_float()) {
    const auto d = v.get<double>();
    if (!(std::abs(d) <= 0x1p53) || d != std::trunc(d)) return std::nullopt;
    n = static_cast<int64_t>(d);
  } else {
    return std::nullopt;
  }
  if (n < min || n > max) return std::nullopt;
  return n;
}

std::optional<double> ToNumber(const json& v, double min, double max) {
  if (!v.is_number()) return std::nullopt;
  const auto d = v.get<double>();
  if (!(d >= min && d <= max)) return std::nullopt;
  return d;
}

}  // namespace

Status JsonSyntaxError(std::string_view text, size_t position, std::string_view name,
                       std::string_view what) {
  // The parser counts bytes read, from 1; the culprit is the last of them.
  const size_t at = std::min(position == 0 ? 0 : position - 1, text.size());
  const std::string_view before = text.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing
  // value - invalid literal; last read: '...'": the reason is what counts.
  if (const size_t p = what.find("] "); p != what.npos) what.remove_prefix(p + 2);
  if (const size_t p = what.find(" - "); p != what.npos) what.remove_prefix(p + 3);
  if (const size_t p = what.find("; last read"); p != what.npos) what = what.substr(0, p);
  return CorruptData(
      fmt::format("{}:{}:{}: not valid JSON: {}", name, line, at - line_start + 1, OneLine(what)));
}

Result<json> ParseJson(std::string_view text, std::string_view name, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return CorruptData(
        fmt::format("{}: {} bytes, at most {} are read", name, text.size(), limits.bytes));
  }
  try {
    Builder builder(text, name, limits);
    if (!json::sax_parse(text.begin(), text.end(), &builder)) return builder.error();
    return builder.Take();
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("{}: no memory for {} bytes of JSON", name, text.size()));
  } catch (const std::exception& e) {
    return CorruptData(fmt::format("{}: not valid JSON: {}", name, OneLine(e.what())));
  }
}

std::string ShowJson(const json& value) {
  if (value.is_string()) return Quoted(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return value.dump();
}

JsonReader::JsonReader(const json& value, std::string_view name, Status& error)
    : object_(&value), name_(name), error_(&error) {
  if (value.is_object()) return;
  Fail(CorruptData(fmt::format("{}: is {}, must be an object", name, ShowJson(value))));
  static const json kEmpty = json::object();
  object_ = &kEmpty;
}

const json* JsonReader::Get(std::string_view key) const {
  const auto it = object_->find(key);
  return it == object_->end() ? nullptr : &*it;
}

const json* JsonReader::Require(std::string_view key, std::string_view must) const {
  const json* v = Get(key);
  if (v == nullptr) Fail(CorruptData(fmt::format("{} is missing, {}", Name(key), must)));
  return v;
}

bool JsonReader::Has(std::string_view key) const {
  const json* v = Get(key);
  return v != nullptr && !v->is_null();
}

bool JsonReader::Contains(std::string_view key) const { return Get(key) != nullptr; }

int64_t JsonReader::Int(std::string_view key, int64_t min, int64_t max) const {
  const std::string must = MustBeInt(min, max);
  const json* v = Require(key, must);
  if (v == nullptr) return min;
  if (const auto n = ToInt(*v, min, max)) return *n;
  Reject(key, must);
  return min;
}

int64_t JsonReader::IntOr(std::string_view key, int64_t min, int64_t max, int64_t fallback) const {
  return Has(key) ? Int(key, min, max) : fallback;
}

std::optional<int64_t> JsonReader::OptionalInt(std::string_view key, int64_t min,
                                               int64_t max) const {
  if (!Has(key)) return std::nullopt;
  return Int(key, min, max);
}

double JsonReader::Number(std::string_view key, double min, double max) const {
  const std::string must = MustBeNumber(min, max);
  const json* v = Require(key, must);
  if (v == nullptr) return min;
  if (const auto d = ToNumber(*v, min, max)) return *d;
  Reject(key, must);
  return min;
}

double JsonReader::NumberOr(std::string_view key, double min, double max, double fallback) const {
  return Has(key) ? Number(key, min, max) : fallback;
}

std::optional<double> JsonReader::OptionalNumber(std::string_view key, double min,
                                                 double max) const {
  if (!Has(key)) return std::nullopt;
  return Number(key, min, max);
}

bool JsonReader::BoolOr(std::string_view key, bool fallback) const {
  if (!Has(key)) return fallback;
  const json& v = *Get(key);
  if (v.is_boolean()) return v.get<bool>();
  Reject(key, "must be true or false");
  return fallback;
}

std::string JsonReader::String(std::string_view key) const {
  const json* v = Require(key, "must be a string");
  if (v == nullptr) return {};
  if (v->is_string()) return v->get<std::string>();
  Reject(key, "must be a string");
  return {};
}

std::string JsonReader::StringOr(std::string_view key, std::string_view fallback) const {
  return Has(key) ? String(key) : std::string(fallback);
}

std::vector<double> JsonReader::Numbers(std::string_view key, size_t count, double min,
                                        double max) const {
  const std::string must =
      fmt::format("must be a list of {} numbers between {} and {}", count, min, max);
  const json* v = Require(key, must);
  std::vector<double> out;
  if (v == nullptr) return out;
  if (!v->is_array()) {
    Reject(key, must);
    return out;
  }
  if (v->size() != count) {
    Fail(CorruptData(fmt::format("{} has {} entries, {}", Name(key), v->size(), must)));
    return out;
  }
  for (const json& entry : *v) {
    const auto d = ToNumber(entry, min, max);
    if (!d) {
      Fail(CorruptData(
          fmt::format("{}[{}] is {}, {}", Name(key), out.size(), ShowJson(entry), must)));
      return {};
    }
    out.push_back(*d);
  }
  return out;
}

std::vector<std::string> JsonReader::Strings(std::string_view key, size_t max_count) const {
  if (!Has(key)) return {};
  const json& v = *Get(key);
  const std::string must = fmt::format("must be a list of at most {} strings", max_count);
  std::vector<std::string> out;
  if (!v.is_array() || v.size() > max_count) {
    Reject(key, must);
    return out;
  }
  for (const json& entry : v) {
    if (!entry.is_string()) {
      Fail(CorruptData(
          fmt::format("{}[{}] is {}, {}", Name(key), out.size(), ShowJson(entry), must)));
      return {};
    }
    out.push_back(entry.get<std::string>());
  }
  return out;
}

std::vector<int64_t> JsonReader::IntOrList(std::string_view key, int64_t min, int64_t max,
                                           size_t max_count) const {
  if (!Has(key)) return {};
  const json& v = *Get(key);
  if (!v.is_array()) return {Int(key, min, max)};
  const std::string must = fmt::format(
      "must be an integer or a list of at most {} integers between {} and {}", max_count, min, max);
  std::vector<int64_t> out;
  if (v.size() > max_count) {
    Fail(CorruptData(fmt::format("{} has {} entries, {}", Name(key), v.size(), must)));
    return out;
  }
  for (const json& entry : v) {
    const auto n = ToInt(entry, min, max);
    if (!n) {
      Fail(CorruptData(
          fmt::format("{}[{}] is {}, {}", Name(key), out.size(), ShowJson(entry), must)));
      return {};
    }
    out.push_back(*n);
  }
  return out;
}

JsonReader JsonReader::Object(std::string_view key) const {
  static const json kEmpty = json::object();
  JsonReader child = *this;
  child.path_ = fmt::format("{}{}.", path_, key);
  child.object_ = &kEmpty;
  const json* v = Require(key, "must be an object");
  if (v == nullptr) return child;
  if (v->is_object()) {
    child.object_ = v;
  } else {
    Reject(key, "must be an object");
  }
  return child;
}

std::vector<std::string_view> JsonReader::keys() const {
  std::vector<std::string_view> out;
  for (auto it = object_->begin(); it != object_->end(); ++it) out.push_back(it.key());
  return out;
}

std::string JsonReader::Name(std::string_view key) const {
  return fmt::format("{}: {}{}", name_, path_, OneLine(key, 80));
}

void JsonReader::Reject(std::string_view key, std::string_view must, StatusCode code) const {
  Fail(Status(code, fmt::format("{} is {}, {}", Name(key), ShowJson(*Get(key)), must)));
}

void JsonReader::Fail(Status status) const {
  if (error_->ok()) *error_ = std::move(status);
}

}  // namespace quarry
