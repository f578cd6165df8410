// Medians of repeated runs.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "base/function_ref.h"

namespace quarry::bench {

inline constexpr int kRuns = 5;

struct Timing {
  double median_s = 0;
  double min_s = 0;
  double max_s = 0;
  int runs = 0;
};

// `seconds` of runs, in any order; not empty.
inline Timing Summarize(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.front(), seconds.back(),
          static_cast<int>(seconds.size())};
}

// Runs `body` once to warm up, then kRuns times, each long enough (it is repeated inside a run
// until `min_run_s` has passed); seconds per call.
inline Timing Time(FunctionRef<void()> body, double min_run_s = 0.02) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  auto begin = Clock::now();
  body();
  const double once = std::max(1e-9, seconds(Clock::now() - begin));
  const int repeat = std::max(1, static_cast<int>(min_run_s / once));
  std::vector<double> samples;
  for (int r = 0; r < kRuns; ++r) {
    begin = Clock::now();
    for (int i = 0; i < repeat; ++i) body();
    samples.push_back(seconds(Clock::now() - begin) / repeat);
  }
  return Summarize(std::move(samples));
}

// What is slow is not warmed up and is run as often as fits into `budget_s`, kRuns times at most:
// `body` returns the seconds of one run. The first run is dropped where kRuns more fit. Ends early,
// with what there is, once `*stop` is set; `stop` may be null.
inline Timing TimeWithin(double budget_s, const std::atomic<bool>* stop,
                         FunctionRef<double()> body) {
  std::vector<double> samples = {body()};
  double spent = samples[0];
  const bool warm_up = spent * kRuns <= budget_s;
  while (static_cast<int>(samples.size()) < kRuns + (warm_up ? 1 : 0) &&
         spent + samples.back() <= budget_s && !(stop != nullptr && stop->load())) {
    samples.push_back(body());
    spent += samples.back();
  }
  if (warm_up && samples.size() > 1) samples.erase(samples.begin());
  return Summarize(std::move(samples));
}

}  // namespace quarry::bench
