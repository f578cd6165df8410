#include "eval/record.h"

#include <nlohmann/json.hpp>

namespace quarry::eval {

std::string ToJsonLine(const Record& r) {
  nlohmann::ordered_json j = {{"task", r.task},
                              {"method", r.method},
                              {"parameters", r.parameters},
                              {"length", r.length},
                              {"seed", r.seed},
                              {"index", r.index},
                              {"score", r.score},
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
  const auto j = nlohmann::json::parse(json, nullptr, false);
  if (!j.is_object()) return CorruptData("is no JSON object");
  Record r;
  try {
    const auto get = [&](const char* key, auto& value) { j.at(key).get_to(value); };
    get("task", r.task);
    get("method", r.method);
    get("parameters", r.parameters);
    get("length", r.length);
    get("seed", r.seed);
    get("index", r.index);
    get("score", r.score);
    get("answer", r.answer);
    get("expected", r.expected);
    get("prompt_tokens", r.prompt_tokens);
    get("new_tokens", r.new_tokens);
    get("prefill_seconds", r.prefill_seconds);
    get("decode_seconds", r.decode_seconds);
    get("density", r.density);
    get("kv_bytes", r.kv_bytes);
    get("peak_rss_bytes", r.peak_rss_bytes);
    get("stop_reason", r.stop_reason);
    get("settings", r.settings);
    if (j.contains("depth")) r.depth = j.at("depth").get<double>();
    if (j.contains("coverage")) r.coverage = j.at("coverage").get<double>();
  } catch (const nlohmann::json::exception& e) {
    return CorruptData(e.what());
  }
  return r;
}

}  // namespace quarry::eval
