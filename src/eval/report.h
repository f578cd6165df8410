// Tables of results.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/record.h"
#include "eval/statistics.h"

namespace quarry::eval {

// A method at a length: means over samples and seeds.
struct ReportRow {
  std::string method;
  std::string parameters;
  int64_t length = 0;
  int64_t samples = 0;   // that are done
  int64_t expected = 0;  // that were asked for; 0: unknown
  double score = 0;      // accuracy from 0 to 1, or perplexity
  Interval interval;     // of the accuracy
  double density = 1;
  std::optional<double> coverage;  // where every sample has one
  double prefill_tokens_per_second = 0;
  double decode_tokens_per_second = 0;
  uint64_t kv_bytes = 0;        // at most
  uint64_t peak_rss_bytes = 0;  // at most
  bool no_memory = false;
  bool too_short = false;  // the length, for the task
};

struct ReportTable {
  std::string task;
  bool is_perplexity = false;
  std::vector<ReportRow> rows;
};

struct Report {
  std::string title;
  std::vector<std::string> notes;  // lines under the title
  std::vector<ReportTable> tables;
};

// Sums up the records of one row; `expected` of them were asked for.
ReportRow SumUp(const std::vector<const Record*>& records, int64_t expected);

// Markdown: a table a task; with two or more RULER tasks also their average a length, and the
// longest length whose average exceeds 85.6 %, RULER's effective length.
std::string ToMarkdown(const Report& report);

}  // namespace quarry::eval
