// What quarry-golden prints: a line a case, and a last line "N passed, N failed".
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace quarry::golden {

// How far numbers were off, over one array or one case.
struct Deviation {
  double max_abs = 0;
  double max_rel = 0;  // relative to the largest magnitude of the expected array
  void Add(double got, double want);
  void SetScale(double largest_expected);
  void Merge(const Deviation& other);
};

class Report {
 public:
  // One case: `detail` is free text ("max abs 1.2e-06 rel 3e-07, 0 selection mismatches").
  void Case(std::string_view name, bool pass, std::string_view detail);
  // A case that could not be read: counts as failed.
  void Error(std::string_view name, std::string_view message) { Case(name, false, message); }
  // Prints the last line; the exit status of the program: 1 on any failure, or if nothing ran.
  int Finish() const;

  int passed() const { return passed_; }
  int failed() const { return failed_; }

 private:
  int passed_ = 0;
  int failed_ = 0;
};

// One function per KIND; each finds its cases in `folder`.
void CheckInfLlm(const std::filesystem::path& folder, Report& report);
void CheckFlexPrefill(const std::filesystem::path& folder, Report& report);
void CheckMInference(const std::filesystem::path& folder, Report& report);
void CheckModels(const std::filesystem::path& folder, Report& report);
void CheckQuest(const std::filesystem::path& folder, Report& report);
void CheckTokenizers(const std::filesystem::path& folder, Report& report);
// The chat templates of a folder of tokenizers; CheckTokenizers calls it.
void CheckChat(const std::filesystem::path& folder, Report& report);

}  // namespace quarry::golden
