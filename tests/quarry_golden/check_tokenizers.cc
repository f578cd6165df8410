#include "tests/quarry_golden/report.h"

namespace quarry::golden {

void CheckTokenizers(const std::filesystem::path& folder, Report& report) {
  CheckChat(folder, report);
  report.Error("tokenizers", "not built yet");
}

}  // namespace quarry::golden
