#include "eval/record.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eval/json.h"

namespace quarry::eval {
namespace {

using nlohmann::json;

// What a field must be, and whether it was.

const char* Get(const json& v, std::string& out) {
  if (v.is_string()) out = v.get<std::string>();
  return v.is_string() ? nullptr : "a string";
}

const char* Get(const json& v, int64_t& out) {
  const bool fits = v.is_number_integer() &&
                    (!v.is_number_unsigned() || v.get<uint64_t>() <= uint64_t{INT64_MAX});
  if (fits) out = v.get<int64_t>();
  return fits ? nullptr : "an integer";
}

const char* Get(const json& v, uint64_t& out) {
  if (v.is_number_unsigned()) out = v.get<uint64_t>();
  return v.is_number_unsigned() ? nullptr : "an integer, 0 or more";
}

// As JsonNumber writes it. Files of before it have null for what is no number.
const char* Get(const json& v, double& out) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (v.is_number()) {
    out = v.get<double>();
  } else if (v.is_null() || v == "nan") {
    out = std::numeric_limits<double>::quiet_NaN();
  } else if (v == "inf" || v == "-inf") {
    out = v == "inf" ? kInfinity : -kInfinity;
  } else {
    return "a number, \"inf\", \"-inf\" or \"nan\"";
  }
  return nullptr;
}

const char* Get(const json& v, std::vector<std::string>& out) {
  const bool strings =
      v.is_array() && std::all_of(v.begin(), v.end(), [](const json& s) { return s.is_string(); });
  if (strings) out = v.get<std::vector<std::string>>();
  return strings ? nullptr : "a list of strings";
}

// The first failure stays in `error`.
class FieldReader {
 public:
  FieldReader(const json& object, Status& error) : object_(object), error_(error) {}

  template <typename T>
  void Read(const char* key, T& out) {
    const auto it = object_.find(key);
    // An object is none of the types: what a field that is not there must be is then known as well.
    const bool there = it != object_.end();
    T value{};
    const char* must = Get(there ? *it : json::object(), value);
    if (must == nullptr) {
      out = std::move(value);
    } else if (error_.ok()) {
      constexpr size_t kShown = 80;
      error_ = CorruptData(fmt::format(
          "{} is {}, must be {}", key,
          there ? it->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, kShown)
                : "missing",
          must));
    }
  }

  void ReadOptional(const char* key, std::optional<double>& out) {
    if (!object_.contains(key)) return;
    double value = 0;
    Read(key, value);
    out = value;
  }

 private:
  const json& object_;
  Status& error_;
};

}  // namespace

std::string ToJsonLine(const Record& r) {
  nlohmann::ordered_json j = {{"task", r.task},
                              {"method", r.method},
                              {"parameters", r.parameters},
                              {"length", r.length},
                              {"seed", r.seed},
                              {"index", r.index},
                              {"score", JsonNumber(r.score)},
                              {"answer", r.answer},
                              {"expected", r.expected},
                              {"prompt_tokens", r.prompt_tokens},
                              {"new_tokens", r.new_tokens},
                              {"prefill_seconds", r.prefill_seconds},
                              {"decode_seconds", r.decode_seconds},
                              {"density", r.density},
                              {"kv_bytes", r.kv_bytes},
                              {"peak_rss_bytes", r.peak_rss_bytes},
                              {"stop_reason", r.stop_reason},
                              {"settings", r.settings}};
  if (r.depth) j["depth"] = *r.depth;
  if (r.coverage) j["coverage"] = *r.coverage;
  return j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Record> ParseRecord(std::string_view json) {
  const Result<nlohmann::json> object = ParseJsonObject(json);
  if (!object.ok()) return object.status();
  Record r;
  Status error;
  FieldReader in(*object, error);
  in.Read("task", r.task);
  in.Read("method", r.method);
  in.Read("parameters", r.parameters);
  in.Read("length", r.length);
  in.Read("seed", r.seed);
  in.Read("index", r.index);
  in.Read("score", r.score);
  in.Read("answer", r.answer);
  in.Read("expected", r.expected);
  in.Read("prompt_tokens", r.prompt_tokens);
  in.Read("new_tokens", r.new_tokens);
  in.Read("prefill_seconds", r.prefill_seconds);
  in.Read("decode_seconds", r.decode_seconds);
  in.Read("density", r.density);
  in.Read("kv_bytes", r.kv_bytes);
  in.Read("peak_rss_bytes", r.peak_rss_bytes);
  in.Read("stop_reason", r.stop_reason);
  in.Read("settings", r.settings);
  in.ReadOptional("depth", r.depth);
  in.ReadOptional("coverage", r.coverage);
  if (!error.ok()) return error;
  return r;
}

}  // namespace quarry::eval
