// What the bench drivers share: timing by medians, the machine's measured peaks, tables for people
// and JSON lines for tools from the same run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace quarry::bench {

struct Timing {
  double median_s = 0;
  double min_s = 0;
  double max_s = 0;
};

// Runs `body` once to warm up, then `runs` times (at least five), each long enough (it is repeated
// inside a run until `min_run_s` has passed); seconds per call.
inline Timing Time(FunctionRef<void()> body, int runs = 5, double min_run_s = 0.02) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  auto begin = Clock::now();
  body();
  const double once = std::max(1e-9, seconds(Clock::now() - begin));
  const int repeat = std::max(1, static_cast<int>(min_run_s / once));
  std::vector<double> samples;
  for (int r = 0; r < runs; ++r) {
    begin = Clock::now();
    for (int i = 0; i < repeat; ++i) body();
    samples.push_back(seconds(Clock::now() - begin) / repeat);
  }
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.front(), samples.back()};
}

// What all threads of the pool reach together.
struct Peaks {
  double f32_flops = 0;
  double bf16_flops = 0;  // 0: no bf16 dot product
  double read_bytes = 0;  // from memory, a buffer no cache holds
};
Peaks MeasurePeaks(const kernels::KernelTable& kernels, ThreadPool& pool);

// One row of results: named fields in order, printed as a Markdown row and as a JSON object.
class Row {
 public:
  Row& Text(std::string name, std::string value);
  Row& Number(std::string name, double value, int decimals);

 private:
  friend class Table;
  struct Field {
    std::string name;
    std::string text;
    bool quoted;
  };
  std::vector<Field> fields_;
};

class Table {
 public:
  explicit Table(std::string title) : title_(std::move(title)) {}
  void Add(const Row& row);
  // Markdown to standard output; one JSON object per row to `json`, if not null.
  void Print(std::FILE* json) const;

 private:
  std::string title_;
  std::vector<Row> rows_;
};

// "Intel(R) Xeon(R) Processor", from the system.
std::string CpuName();

}  // namespace quarry::bench
