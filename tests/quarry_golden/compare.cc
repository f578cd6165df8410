#include "tests/quarry_golden/compare.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace quarry::golden {

const NpyArray& Comparison::Load(const std::string& name) {
  auto it = arrays_.find(name);
  if (it == arrays_.end()) it = arrays_.emplace(name, ReadNpy(folder_ / (name + ".npy"))).first;
  return it->second;
}

void Comparison::Near(const std::string& array, double got, double want, double absolute,
                      double relative) {
  ++values_;
  if (std::isnan(got) && std::isnan(want)) return;
  const double error = std::abs(got - want);
  max_abs_ = std::isnan(error) ? INFINITY : std::max(max_abs_, error);
  const double limit = absolute + relative * std::abs(want);
  if (!(error <= limit)) {
    Fail(array, fmt::format("got {:.7g} want {:.7g}, tolerance {:.1g}", got, want, limit));
  }
}

void Comparison::Exact(const std::string& array, int64_t got, int64_t want) {
  ++values_;
  if (got == want) return;
  ++mismatches_;
  Fail(array, fmt::format("got {} want {}", got, want));
}

void Comparison::NearArray(const std::string& name, const std::vector<float>& got, double absolute,
                           double relative) {
  const NpyArray& want = Load(name);
  Exact(name + " size", static_cast<int64_t>(got.size()), want.size());
  const auto n = std::min(got.size(), static_cast<size_t>(want.size()));
  for (size_t i = 0; i < n; ++i) {
    Near(name, static_cast<double>(got[i]),
         want.f64.empty() ? static_cast<double>(want.f32[i]) : want.f64[i], absolute, relative);
  }
}

void Comparison::ExactArray(const std::string& name, const std::vector<int64_t>& got) {
  const NpyArray& want = Load(name);
  Exact(name + " size", static_cast<int64_t>(got.size()), want.size());
  const auto n = std::min(got.size(), want.i32.size());
  for (size_t i = 0; i < n; ++i) Exact(name, got[i], want.i32[i]);
}

void Comparison::Write(const std::string& name, Report& report) const {
  std::string detail =
      fmt::format("max abs {:.1e}, {} mismatches of {} values", max_abs_, mismatches_, values_);
  for (const auto& [array, worst] : failures_) detail += fmt::format("; {}: {}", array, worst);
  report.Case(name, failures_.empty() && values_ > 0, detail);
}

}  // namespace quarry::golden
