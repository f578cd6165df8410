#include "eval/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/charts.h"
#include "eval/method_parameters.h"
#include "eval/perplexity.h"
#include "eval/svg.h"
#include "format/run_config.h"

namespace quarry::eval {
namespace {

using testing::HasSubstr;
using testing::Not;

Record MakeRecord(double score, int64_t prompt_tokens, double seconds) {
  Record r;
  r.method = "inf-llm";
  r.parameters = "topk=4";
  r.length = 4096;
  r.score = score;
  r.prompt_tokens = prompt_tokens;
  r.new_tokens = 11;
  r.prefill_seconds = seconds;
  r.decode_seconds = 0.5;
  r.density = 0.25;
  r.kv_bytes = 1 << 20;
  r.peak_rss_bytes = 3 << 20;
  return r;
}

TEST(Report, SumsUp) {
  Record a = MakeRecord(1, 1000, 1), b = MakeRecord(0, 3000, 1);
  a.coverage = 0.5;
  b.kv_bytes = 2 << 20;
  ReportRow row = SumUp({&a, &b}, 3);
  EXPECT_EQ(row.samples, 2);
  EXPECT_EQ(row.expected, 3);
  EXPECT_EQ(row.score, 0.5);
  EXPECT_EQ(row.interval.low, WilsonInterval(1, 2).low);
  EXPECT_EQ(row.density, 0.25);
  EXPECT_FALSE(row.coverage.has_value());  // one of them has none
  EXPECT_EQ(row.prefill_tokens_per_second, 2000);
  EXPECT_EQ(row.decode_tokens_per_second, 20);
  EXPECT_EQ(row.kv_bytes, uint64_t{2} << 20);
  b.coverage = 1;
  EXPECT_EQ(SumUp({&a, &b}, 2).coverage, 0.75);
  EXPECT_EQ(SumUp({}, 5).samples, 0);
}

TEST(Report, IsATableATask) {
  const Record a = MakeRecord(1, 1000, 1);
  Report report = {"Evaluation of m", {"note"}, {{"passkey", false, {SumUp({&a}, 2)}}}};
  ReportRow refused;
  refused.method = "dense";
  refused.length = 8192;
  refused.no_memory = true;
  report.tables[0].rows.push_back(refused);
  report.tables.push_back({"perplexity", true, {SumUp({&a}, 0)}});
  const std::string text = ToMarkdown(report);
  EXPECT_THAT(text, HasSubstr("# Evaluation of m\n\n* note\n\n## passkey\n\n"
                              "| method | parameters | length | samples | accuracy | 95 % interval "
                              "| density | prefill tok/s | decode tok/s | context memory | peak "
                              "memory |\n| --- | --- | ---: |"));
  EXPECT_THAT(text, HasSubstr("| inf-llm | topk=4 | 4K | 1 of 2 | 100.0 % | 20.7 - 100.0 | 25.0 % "
                              "| 1000 | 20.0 | 1.0 MiB | 3.0 MiB |\n"));
  EXPECT_THAT(text, HasSubstr("| dense |  | 8K | 0 | out of memory | - |"));
  EXPECT_THAT(text, HasSubstr("| perplexity | density |"));
  EXPECT_THAT(text, HasSubstr("| 1.000 | 25.0 % |"));
  EXPECT_THAT(text, Not(HasSubstr("coverage")));
  EXPECT_THAT(text, Not(HasSubstr("RULER")));
}

TEST(Report, CoverageIsAColumnWhereItWasMeasured) {
  Record a = MakeRecord(1, 1000, 1);
  a.coverage = 0.987;
  const std::string text = ToMarkdown({"t", {}, {{"passkey", false, {SumUp({&a}, 1)}}}});
  EXPECT_THAT(text, HasSubstr("| density | coverage | prefill"));
  EXPECT_THAT(text, HasSubstr("| 25.0 % | 98.7 % |"));
}

TEST(Report, AveragesRulerTasks) {
  const auto row = [](double score, int64_t length) {
    ReportRow r;
    r.method = "m";
    r.length = length;
    r.samples = 1;
    r.score = score;
    return r;
  };
  Report report;
  report.tables = {{"niah_single_1", false, {row(1.0, 4096), row(1.0, 8192)}},
                   {"vt", false, {row(0.8, 4096), row(0.6, 8192)}},
                   {"passkey", false, {row(0, 4096), row(0, 8192)}}};
  const std::string text = ToMarkdown(report);
  EXPECT_THAT(text, HasSubstr("## average of 2 RULER tasks"));
  EXPECT_THAT(text, HasSubstr("| m | 90.0 % | 80.0 % | 85.0 % | 4K |"));
  // A length at which a task is missing has no average.
  report.tables[1].rows.pop_back();
  EXPECT_THAT(ToMarkdown(report), HasSubstr("| m | 90.0 % | - | 90.0 % | 4K |"));
}

TEST(Report, CellsStayCells) {
  Record a = MakeRecord(1, 10, 1);
  a.method = "a|b\nc";
  EXPECT_THAT(ToMarkdown({"t", {}, {{"x", false, {SumUp({&a}, 1)}}}}), HasSubstr("| a\\|b c |"));
}

TEST(MethodParameters, ShowsLengthsAndWhatDiffers) {
  EXPECT_EQ(DescribeParameters(DenseConfig{}), "");
  EXPECT_EQ(DescribeParameters(StreamLlmConfig{.n_init = 4, .n_local = 512}),
            "n_init=4 n_local=512");
  InfLlmConfig c;
  c.topk = 7;
  c.perhead = true;
  EXPECT_EQ(DescribeParameters(c),
            "n_init=128 n_local=4096 block_size=128 topk=7 repr_topk=4 exc_block_size=512 "
            "perhead=yes");
}

// Parameters also tell experiments apart in the journal: two runs that differ in one must not look
// alike. Every key that a method takes is set to everything that it may be.
TEST(MethodParameters, ShowsEveryKeyOfEveryMethod) {
  constexpr std::string_view kValues[] = {
      "1",      "2",        "3",         "5",      "16",     "32",    "64",    "4096",
      "100000", "0.3",      "0.7",       "true",   "strict", "fifo",  "lru-s", "mean",
      "eval",   "coverage", "reference", "cosine", "p.json", "kernel"};
  for (const std::string_view name : MethodNames()) {
    const PhaseMethods methods(*DefaultAttentionConfig(name));
    const std::string before = DescribeParameters(DefaultRunConfig(methods)->attention);
    EXPECT_EQ(before.empty(), name == DenseConfig::kName) << name;
    int keys = 0;
    for (const std::string_view key : ModelKeys()) {
      bool taken = false;
      for (const std::string_view value : kValues) {
        // What another key needs or is needed by.
        std::vector<std::string> set;
        if (key == "score_decay") set.push_back("cache_strategy=lru-s");
        if (value == "lru-s") set.push_back("score_decay=0.5");
        if (key == "max_budget") set.push_back("target_coverage=0.5");
        const auto without = DefaultRunConfig(methods, set);
        set.push_back(fmt::format("{}={}", key, value));
        const auto with = DefaultRunConfig(methods, set);
        if (!with.ok() || !without.ok()) continue;
        const PhaseMethods &a = with->attention.methods, &b = without->attention.methods;
        if (a.prefill == b.prefill && a.decode == b.decode) continue;
        taken = true;
        EXPECT_NE(DescribeParameters(with->attention), DescribeParameters(without->attention))
            << name << ": " << key << "=" << value;
      }
      keys += taken ? 1 : 0;
    }
    EXPECT_EQ(keys > 0, name != DenseConfig::kName) << name;
  }
}

TEST(Charts, ColoursRunFromRedOverYellowToGreen) {
  const Colour red = {0xF0, 0x49, 0x6E}, yellow = {0xEB, 0xB8, 0x39}, green = {0x0C, 0xD7, 0x9F};
  EXPECT_EQ(HexColour(ScaleColour(0, red, yellow, green)), "#F0496E");
  EXPECT_EQ(HexColour(ScaleColour(0.5, red, yellow, green)), "#EBB839");
  EXPECT_EQ(HexColour(ScaleColour(1, red, yellow, green)), "#0CD79F");
  EXPECT_EQ(HexColour(ScaleColour(7, red, yellow, green)), "#0CD79F");
  EXPECT_EQ(ScaleColour(0.25, {0, 0, 0}, {100, 200, 0}, {0, 0, 0}), (Colour{50, 100, 0}));
}

size_t Count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Charts, AHeatmapHasACellForEveryPair) {
  Heatmap map = {"a < b & c", {1024, 2048, 1000}, {0, 100}, {{1.0, 0.0, {}}, {0.5, 1.0, 0.25}}};
  const std::string svg = DrawHeatmap(map);
  EXPECT_TRUE(svg.starts_with("<?xml"));
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; c"));
  EXPECT_EQ(Count(svg, "<title>"), 6u);
  EXPECT_THAT(svg, HasSubstr("1024 tokens, depth 0 %: 1.00"));
  EXPECT_THAT(svg, HasSubstr("1000 tokens, depth 0 %: no result"));
  EXPECT_THAT(svg, HasSubstr(">2K</text>"));
  EXPECT_EQ(Count(svg, "<svg"), Count(svg, "</svg>"));
  EXPECT_EQ(Count(svg, "<text"), Count(svg, "</text>"));
}

TEST(Charts, LinesSkipWhatIsNoNumber) {
  const std::string svg = DrawLines({"t", "x", "y", {{"dense", {{1, 2}, {2, NAN}, {3, 4}}}}});
  EXPECT_THAT(svg, HasSubstr(">dense</text>"));
  EXPECT_EQ(Count(svg, "<circle"), 2u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(DrawLines({"t", "x", "y", {}}), HasSubstr("</svg>"));
}

// On a logarithmic axis equal ratios are equal distances.
TEST(LineChart, LogarithmicAxes) {
  LineChart chart = {"t", "x", "y", {{"m", {{1024, 1}, {2048, 10}, {4096, 100}}}}};
  chart.log_x = chart.log_y = true;
  const std::string svg = DrawLines(chart);
  for (const char* tick : {">1K<", ">2K<", ">4K<", ">1<", ">10<", ">100<"}) {
    EXPECT_THAT(svg, HasSubstr(tick));
  }
  // The middle one of the three points.
  EXPECT_THAT(svg, HasSubstr(R"(<circle cx="380.00" cy="230.00")"));
  // What has no logarithm is left out.
  chart.lines[0].points = {{0, 1}, {1024, 0}, {1024, -1}};
  EXPECT_THAT(DrawLines(chart), HasSubstr("no results"));
}

TEST(LineChart, SeveralStandBelowEachOther) {
  const LineChart one = {"upper", "x", "y", {{"m", {{1, 2}, {3, 4}}}}};
  LineChart two = one;
  two.title = "lower";
  const std::string svg = DrawLines(std::vector<LineChart>{one, two});
  EXPECT_THAT(svg, HasSubstr(R"(height="960")"));
  EXPECT_LT(svg.find("upper"), svg.find("lower"));
  EXPECT_THAT(DrawLines(std::vector<LineChart>{}), HasSubstr("</svg>"));
}

TEST(Charts, LengthLabels) {
  EXPECT_EQ(LengthLabel(131072), "128K");
  EXPECT_EQ(LengthLabel(1 << 20), "1M");
  EXPECT_EQ(LengthLabel(1000), "1000");
}

TEST(Perplexity, IsTheExponentOfTheMeanLoss) {
  const std::vector<float> logprobs = {-1, -2, -3};
  EXPECT_NEAR(PerplexityOf(logprobs), std::exp(2.0), 1e-12);
  EXPECT_EQ(PerplexityOf({}), 0);
  // 25000 tokens: two borders between chunks of 10000 are not counted.
  std::vector<float> many(24999, -1.0f);
  many[9999] = many[19999] = -1000;
  EXPECT_NEAR(PerplexityOf(many), std::exp(1.0), 1e-9);
  many[9998] = -1001;
  EXPECT_NEAR(PerplexityOf(many), std::exp(1 + 1000.0 / 24997), 1e-9);
}

TEST(Perplexity, RunsOn) {
  const std::vector<double> losses = {1, 3, 2, 2, 2};
  const auto curve = RunningPerplexity(losses, 2);
  ASSERT_EQ(curve.size(), 3u);
  EXPECT_EQ(curve[0].first, 2);
  EXPECT_NEAR(curve[0].second, std::exp(2.0), 1e-12);
  EXPECT_EQ(curve[2].first, 5);
  EXPECT_TRUE(RunningPerplexity({}, 10).empty());
}

}  // namespace
}  // namespace quarry::eval
