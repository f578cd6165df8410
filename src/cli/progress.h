// The progress line of long work: on a terminal only, redrawn in place on standard error.
#pragma once

#include <chrono>
#include <string>

namespace quarry::cli {

class ProgressLine {
 public:
  // Draws only if standard error is a terminal.
  ProgressLine();
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // "reading  [=====     ]  64,000 / 128,000 tokens  9,123 tok/s  ETA 0:07"; at most ten a second.
  void Update(const std::string& what, int64_t done, int64_t total, const std::string& unit,
              double seconds);
  // Removes the line, so that other output may follow.
  void Clear();

 private:
  bool enabled_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace quarry::cli
