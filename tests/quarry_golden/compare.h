// Comparing arrays of one golden case: the first failure of each array is kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/quarry_golden/report.h"
#include "tests/support/npy.h"

namespace quarry::golden {

class Comparison {
 public:
  explicit Comparison(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool Exists(const std::string& name) const {
    return std::filesystem::exists(folder_ / (name + ".npy"));
  }
  const NpyArray& Load(const std::string& name);

  // |got - want| <= absolute + relative * |want|; NaN equals NaN.
  void Near(const std::string& array, double got, double want, double absolute,
            double relative = 0);
  void Exact(const std::string& array, int64_t got, int64_t want);
  void Fail(const std::string& array, const std::string& what) { failures_.emplace(array, what); }
  // The values of `got` against array `name` of the folder; also counts them.
  void NearArray(const std::string& name, const std::vector<float>& got, double absolute,
                 double relative = 0);
  void ExactArray(const std::string& name, const std::vector<int64_t>& got);

  void Write(const std::string& name, Report& report) const;

 private:
  std::filesystem::path folder_;
  std::map<std::string, NpyArray> arrays_;
  std::map<std::string, std::string> failures_;
  double max_abs_ = 0;
  int64_t values_ = 0;
  int64_t mismatches_ = 0;  // of exact values
};

}  // namespace quarry::golden
