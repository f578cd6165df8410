#include "bench/table.h"

#include <cmath>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bench/report.h"
#include "bench/timing.h"

namespace quarry::bench {
namespace {

using testing::HasSubstr;

Table SmallTable() {
  Table table("decode");
  table.Add(Row().Text("method", "a|b").Number("ms", 1.23456, 2).Cell("limit", "> 60"));
  table.Add(Row().Text("method", "c\nd").NoNumber("ms").Number("limit", INFINITY, 1));
  return table;
}

TEST(BenchTable, IsMarkdownWithEscapedCells) {
  EXPECT_EQ(SmallTable().Markdown(),
            "\n### decode\n\n"
            "| method | ms | limit |\n"
            "|---|---:|---:|\n"
            "| a\\|b | 1.23 | > 60 |\n"
            "| c d | - | - |\n");
  EXPECT_EQ(Table("nothing").Markdown(), "");
}

TEST(BenchTable, IsJsonLinesWithUnroundedNumbers) {
  Table table = SmallTable();
  std::istringstream lines(table.JsonLines());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(
      nlohmann::json::parse(line),
      nlohmann::json({{"table", "decode"}, {"method", "a|b"}, {"ms", 1.23456}, {"limit", "> 60"}}));
  ASSERT_TRUE(std::getline(lines, line));
  const nlohmann::json second = nlohmann::json::parse(line);
  EXPECT_EQ(second.at("method"), "c\nd");
  EXPECT_TRUE(second.at("ms").is_null());
  EXPECT_TRUE(second.at("limit").is_null());
  EXPECT_FALSE(std::getline(lines, line));

  Table counts("t");
  counts.Add(Row().Number("length", 65536, 0));
  EXPECT_EQ(counts.JsonLines(), "{\"table\":\"t\",\"length\":65536}\n");
}

TEST(BenchReport, SaysMachineAndNotesFirst) {
  BenchReport report;
  report.machine = {"Some CPU", "avx2", 3, {2e11, 0, 1.5e10}};
  report.notes = {"what it is"};
  report.tables = {SmallTable()};
  const std::string text = Markdown(report);
  EXPECT_THAT(text, HasSubstr("Some CPU, avx2 kernels, 3 threads"));
  EXPECT_THAT(text, HasSubstr("f32 200 GFLOP/s, read 15.0 GB/s"));
  EXPECT_THAT(text, HasSubstr("- what it is\n"));
  EXPECT_LT(text.find("what it is"), text.find("### decode"));
  const std::string json = JsonLines(report);
  const auto machine = nlohmann::json::parse(json.substr(0, json.find('\n')));
  EXPECT_EQ(machine.at("threads"), 3);
  EXPECT_TRUE(machine.at("peak_bf16_flops").is_null());
  // Records, where there are any, stand in place of the tables.
  report.records.emplace("cells");
  EXPECT_THAT(JsonLines(report), Not(HasSubstr("decode")));
}

TEST(BenchTiming, TakesTheMedianAndDropsTheFirstOfAFullSet) {
  const double seconds[] = {9, 1, 5, 2, 4, 3};
  int i = 0;
  const Timing all = TimeWithin(1000, nullptr, [&] { return seconds[i++]; });
  EXPECT_EQ(i, 6);
  EXPECT_EQ(all.runs, 5);
  EXPECT_EQ(all.median_s, 3);
  EXPECT_EQ(all.max_s, 5);
}

TEST(BenchTiming, RunsAsOftenAsFits) {
  int calls = 0;
  const auto body = [&] { return ++calls, 3.0; };
  EXPECT_EQ(TimeWithin(10, nullptr, body).runs, 3);
  EXPECT_EQ(calls, 3);
  // One run is made however long it takes, and none after a wish to stop.
  EXPECT_EQ(TimeWithin(1, nullptr, body).runs, 1);
  const std::atomic<bool> stop = true;
  EXPECT_EQ(TimeWithin(1000, &stop, body).runs, 1);
  EXPECT_EQ(calls, 5);
}

}  // namespace
}  // namespace quarry::bench
