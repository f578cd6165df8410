#include "tests/quarry_golden/report.h"

namespace quarry::golden {

void CheckInfLlm(const std::filesystem::path&, Report& report) {
  report.Error("infllm", "not built yet");
}

}  // namespace quarry::golden
