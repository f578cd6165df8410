// What every benchmark gives back, how it is watched and stopped, and the files it becomes.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "bench/machine.h"
#include "bench/table.h"
#include "eval/charts.h"

namespace quarry::bench {

struct BenchProgress {
  std::string what = {};  // "inf-llm at 64K"
  int64_t done = 0;
  int64_t total = 0;
  std::string unit = {};
  double seconds = 0;  // since this began
};

struct BenchControl {
  std::function<void(const BenchProgress&)> on_progress = {};
  // Looked at between runs and pieces of work; the report then has what was measured until there.
  const std::atomic<bool>* cancel = nullptr;

  void Tell(const BenchProgress& p) const {
    if (on_progress) on_progress(p);
  }
  bool stopped() const { return cancel != nullptr && cancel->load(); }
};

struct BenchReport {
  Machine machine;
  std::vector<std::string> notes;  // what the numbers are, and what they are not: a line each
  std::vector<Table> tables;
  // Rows for tools where the tables are arranged for people.
  std::optional<Table> records;
  std::vector<eval::LineChart> charts;
};

// Machine, notes, tables.
std::string Markdown(const BenchReport& report);
// The machine on the first line, then a line a row.
std::string JsonLines(const BenchReport& report);

// The files, whole or not at all. Without lines to draw, the picture says so.
Status WriteJson(const std::filesystem::path& path, const BenchReport& report);
Status WriteSvg(const std::filesystem::path& path, const BenchReport& report);

}  // namespace quarry::bench
