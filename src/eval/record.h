// The result of one sample, as one line of JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry::eval {

struct Record {
  std::string settings;  // fingerprint of all that decides the result, but for the next three
  int64_t length = 0;
  uint64_t seed = 0;
  int64_t index = 0;

  std::string task;
  std::string method;
  std::string parameters;
  std::optional<double> depth;
  std::string answer;
  std::vector<std::string> expected;
  double score = 0;  // or the perplexity, which may be infinite or NaN
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
  double density = 1;
  std::optional<double> coverage;
  uint64_t kv_bytes = 0;
  uint64_t peak_rss_bytes = 0;
  std::string stop_reason;
};

std::string ToJsonLine(const Record& record);  // with the line feed
// Errors say what is missing or wrong.
Result<Record> ParseRecord(std::string_view json);

}  // namespace quarry::eval
