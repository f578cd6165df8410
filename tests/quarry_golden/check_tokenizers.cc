#include "tests/quarry_golden/report.h"
#include "tests/support/tokenizer_fixtures.h"

namespace quarry::golden {

void CheckTokenizers(const std::filesystem::path& folder, Report& report) {
  CheckChat(folder, report);
  for (const FixtureResult& result : CheckTokenizerFixtures(folder)) {
    report.Case(result.name, result.pass, result.detail);
  }
}

}  // namespace quarry::golden
