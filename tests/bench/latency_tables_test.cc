#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bench/latency_bench.h"

namespace quarry::bench {
namespace {

using testing::HasSubstr;
using Outcome = LatencyCell::Outcome;

BenchReport ReportOf(const std::vector<std::string>& methods) {
  const std::vector<LatencyCell> cells = {
      {.method = "dense",
       .length = 1024,
       .runs = 5,
       .prefill_s = 0.5,
       .decode_ms = 12.34,
       .peak_rss_bytes = 10 << 20,
       .density = 1,
       .prefill_peak_share = 0.5},
      {.method = "dense", .length = 4096, .outcome = Outcome::kTooSlow},
      {.method = "quick",
       .length = 1024,
       .runs = 5,
       .prefill_s = 0.25,
       .decode_ms = 1.5,
       .peak_rss_bytes = 11 << 20,
       .density = 0.125},
      {.method = "quick",
       .length = 4096,
       .runs = 2,
       .prefill_s = 123.4,
       .decode_ms = 1.5,
       .density = 0.1},
      {.method = "quick", .length = 65536, .outcome = Outcome::kNoMemory}};
  BenchReport report;
  AddLatencyTables(cells, methods, {1024, 4096, 65536, 1 << 20}, 60, report);
  return report;
}

TEST(LatencyTables, HaveLengthsAsRowsAndMethodsAsColumns) {
  const BenchReport report = ReportOf({"dense", "quick"});
  EXPECT_EQ(report.tables[0].Markdown(),
            "\n### prefill, seconds\n\n"
            "| tokens | dense | quick |\n"
            "|---|---:|---:|\n"
            "| 1K | 0.500 | 0.250 |\n"
            "| 4K | > 60 | 123 |\n"
            "| 64K | - | no memory |\n");
  const std::string text = Markdown(report);
  EXPECT_THAT(text, HasSubstr("### prefill, speed-up over dense\n\n| tokens | dense | quick |\n"
                              "|---|---:|---:|\n| 1K | 1.00 | 2.00 |\n| 4K | - | - |\n"));
  EXPECT_THAT(text, HasSubstr("| 1K | 12.3 | 1.50 |"));
  EXPECT_THAT(text, HasSubstr("| 1K | 100.00 | 12.50 |"));
  EXPECT_THAT(text, Not(HasSubstr("| 1M |")));
}

TEST(LatencyTables, SpeedUpNeedsDense) {
  EXPECT_THAT(Markdown(ReportOf({"quick"})), Not(HasSubstr("speed-up")));
}

TEST(LatencyTables, HaveARecordACell) {
  std::istringstream lines(JsonLines(ReportOf({"dense", "quick"})));
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].at("table"), "machine");
  EXPECT_EQ(rows[1].at("prefill_seconds"), 0.5);
  EXPECT_EQ(rows[1].at("prefill_tokens_per_second"), 2048);
  EXPECT_EQ(rows[2].at("outcome"), "too slow");
  EXPECT_FALSE(rows[2].contains("prefill_seconds"));
  EXPECT_EQ(rows[4].at("runs"), 2);
  EXPECT_EQ(rows[5].at("outcome"), "out of memory");
}

TEST(LatencyTables, DrawWhatWasMeasured) {
  const BenchReport report = ReportOf({"dense", "quick"});
  ASSERT_EQ(report.charts.size(), 2u);
  EXPECT_EQ(report.charts[0].lines[0].points.size(), 1u);
  EXPECT_EQ(report.charts[0].lines[1].points.size(), 2u);
  EXPECT_TRUE(report.charts[0].log_x && report.charts[0].log_y);
}

}  // namespace
}  // namespace quarry::bench
