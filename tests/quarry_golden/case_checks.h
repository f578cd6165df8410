// One folder of arrays with a case.json: what was expected, and how far off the engine was.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/quarry_golden/report.h"
#include "tests/support/npy.h"

namespace quarry::golden {

class CaseChecks {
 public:
  // Reads case.json. Throws std::runtime_error naming the file.
  explicit CaseChecks(std::filesystem::path folder);

  const nlohmann::json& json() const { return json_; }
  bool Exists(const std::string& array) const;
  // Throws std::runtime_error naming the file.
  const NpyArray& Load(const std::string& array);

  // Every element within absolute + relative * |want|; reports under `name`, the first failure of
  // each name. NaN is expected where `want` is NaN.
  void Near(const std::string& name, std::span<const float> got, std::span<const float> want,
            double absolute, double relative = 0);
  void Exact(const std::string& name, int64_t got, int64_t want);
  // Against a list that is padded with -1. Counts a mismatch of a selection.
  void Selection(const std::string& name, std::span<const int64_t> got,
                 std::span<const int32_t> want);
  void Fail(const std::string& name, const std::string& what) { failures_.emplace(name, what); }

  // One line: how far outputs were off (names that end in "out"), what failed.
  void Finish(Report& report) const;

 private:
  std::filesystem::path folder_;
  nlohmann::json json_;
  std::map<std::string, NpyArray> arrays_;
  std::map<std::string, std::string> failures_;
  Deviation out_;
  double largest_out_ = 0;
  int selections_ = 0;
  int selection_mismatches_ = 0;
};

// Folders of `folder` that hold a case.json, in order.
std::vector<std::filesystem::path> CasesIn(const std::filesystem::path& folder);

}  // namespace quarry::golden
