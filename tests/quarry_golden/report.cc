#include "tests/quarry_golden/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace quarry::golden {

void Deviation::Add(double got, double want) {
  const double d = std::abs(got - want);
  max_abs = std::isnan(d) ? INFINITY : std::max(max_abs, d);
}

void Deviation::SetScale(double largest_expected) {
  max_rel = largest_expected > 0 ? max_abs / largest_expected : max_abs;
}

void Deviation::Merge(const Deviation& other) {
  max_abs = std::max(max_abs, other.max_abs);
  max_rel = std::max(max_rel, other.max_rel);
}

void Report::Case(std::string_view name, bool pass, std::string_view detail) {
  ++(pass ? passed_ : failed_);
  std::printf("%s  %-44.*s %.*s\n", pass ? "PASS" : "FAIL", static_cast<int>(name.size()),
              name.data(), static_cast<int>(detail.size()), detail.data());
  std::fflush(stdout);
}

int Report::Finish() const {
  std::printf("%d passed, %d failed\n", passed_, failed_);
  return failed_ == 0 && passed_ > 0 ? 0 : 1;
}

}  // namespace quarry::golden
