#include "tests/quarry_golden/case_checks.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

namespace quarry::golden {

CaseChecks::CaseChecks(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::ifstream in(folder_ / "case.json");
  if (!in) throw std::runtime_error((folder_ / "case.json").string() + ": cannot be opened");
  json_ = nlohmann::json::parse(in);
}

bool CaseChecks::Exists(const std::string& array) const {
  return std::filesystem::exists(folder_ / (array + ".npy"));
}

const NpyArray& CaseChecks::Load(const std::string& array) {
  auto it = arrays_.find(array);
  if (it == arrays_.end()) {
    it = arrays_.emplace(array, ReadNpy(folder_ / (array + ".npy"))).first;
  }
  return it->second;
}

void CaseChecks::Near(const std::string& name, std::span<const float> got,
                      std::span<const float> want, double absolute, double relative) {
  if (got.size() != want.size()) {
    return Fail(name, fmt::format("got {} numbers, want {}", got.size(), want.size()));
  }
  const bool output = name.ends_with("out");
  for (size_t i = 0; i < got.size(); ++i) {
    const double g = got[i], w = want[i];
    if (std::isnan(w) && std::isnan(g)) continue;
    if (output) {
      out_.Add(g, w);
      largest_out_ = std::max(largest_out_, std::abs(w));
      out_.SetScale(largest_out_);
    }
    const double tolerance = absolute + relative * std::abs(w);
    if (!(std::abs(g - w) <= tolerance)) {
      Fail(name,
           fmt::format("element {}: got {:.7g} want {:.7g}, tolerance {:.1g}", i, g, w, tolerance));
    }
  }
}

void CaseChecks::Exact(const std::string& name, int64_t got, int64_t want) {
  if (got != want) Fail(name, fmt::format("got {} want {}", got, want));
}

void CaseChecks::Selection(const std::string& name, std::span<const int64_t> got,
                           std::span<const int32_t> want) {
  ++selections_;
  const auto end = std::find(want.begin(), want.end(), -1);
  if (std::equal(got.begin(), got.end(), want.begin(), end)) return;
  ++selection_mismatches_;
  const auto list = [](auto first, auto last) {
    std::string out = "[";
    for (; first != last; ++first) out += fmt::format("{}{}", out.size() == 1 ? "" : " ", *first);
    return out + "]";
  };
  Fail(name, fmt::format("got {} want {}", list(got.begin(), got.end()), list(want.begin(), end)));
}

void CaseChecks::Finish(Report& report) const {
  std::string detail = fmt::format("max abs {:.1e} rel {:.1e}, {} selection mismatches of {}",
                                   out_.max_abs, out_.max_rel, selection_mismatches_, selections_);
  for (const auto& [name, first] : failures_) detail += fmt::format("; {}: {}", name, first);
  report.Case(folder_.filename().string(), failures_.empty(), detail);
}

std::vector<std::filesystem::path> CasesIn(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / "case.json")) cases.push_back(entry.path());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

}  // namespace quarry::golden
