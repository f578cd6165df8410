// Whole evaluations of the bundled model at small lengths: resume, changed settings, cancel.

#include "eval/evaluation.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/config.h"

#include "base/file.h"
#include "eval/sha256.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace quarry::eval {
namespace {

using testing::HasSubstr;
using testing::Not;

EvalOptions Options(const TempDir& dir, std::vector<const char*> tasks) {
  EvalOptions o;
  for (const char* name : tasks) o.tasks.push_back((*FindTasks(name))[0]);
  EngineOptions engine;
  engine.model = SourcePath("models/needle-5m").string();
  engine.threads = 2;
  o.methods = {{"dense", "", engine}};
  o.lengths = {400};
  o.samples = 2;
  o.roots = {SourcePath("")};
  o.out = dir.path() / "out";
  return o;
}

// Runs and returns the tables; counts the samples that were computed.
struct Outcome {
  Status status;
  Report report;
  int64_t computed = 0;
};

Outcome Evaluate(EvalOptions options) {
  Outcome outcome;
  Result<std::unique_ptr<Evaluation>> e = Evaluation::Prepare(std::move(options));
  if (!e.ok()) {
    outcome.status = e.status();
    return outcome;
  }
  const int64_t before = (*e)->samples_before();
  int64_t done = before;
  outcome.status = (*e)->Run([&](const EvalProgress& p) { done = std::max(done, p.samples_done); });
  outcome.computed = done - before;
  outcome.report = (*e)->MakeReport();
  EXPECT_TRUE((*e)->WriteFiles().ok());
  return outcome;
}

int64_t Lines(const std::filesystem::path& path) {
  const std::string text = *ReadFile(path, 1 << 24);
  return std::count(text.begin(), text.end(), '\n');
}

TEST(Evaluation, ComputesEverySampleOnce) {
  TempDir dir;
  const Outcome first = Evaluate(Options(dir, {"passkey", "variables"}));
  ASSERT_TRUE(first.status.ok()) << first.status.message();
  EXPECT_EQ(first.computed, 4);
  ASSERT_EQ(first.report.tables.size(), 2u);
  EXPECT_EQ(first.report.tables[0].rows[0].score, 1);
  EXPECT_EQ(first.report.tables[0].rows[0].density, 1);
  EXPECT_GT(first.report.tables[0].rows[0].prefill_tokens_per_second, 0);
  EXPECT_GT(first.report.tables[0].rows[0].peak_rss_bytes, uint64_t{1} << 20);
  const auto journal = dir.path() / "out/samples.jsonl";
  EXPECT_EQ(Lines(journal), 4 + 2);  // and what the two settings are

  const std::string before = Sha256Hex(*ReadFile(journal, 1 << 24));
  const Outcome again = Evaluate(Options(dir, {"passkey", "variables"}));
  EXPECT_EQ(again.computed, 0);
  EXPECT_EQ(Sha256Hex(*ReadFile(journal, 1 << 24)), before);
  EXPECT_EQ(ToMarkdown(again.report), ToMarkdown(first.report));
  EXPECT_EQ(*ReadFile(dir.path() / "out/report.md", 1 << 20), ToMarkdown(first.report));
}

TEST(Evaluation, MoreSamplesSeedsAndLengthsAddToWhatIsThere) {
  TempDir dir;
  EXPECT_EQ(Evaluate(Options(dir, {"variables"})).computed, 2);
  EvalOptions more = Options(dir, {"variables"});
  more.samples = 3;
  more.seeds = {42, 43};
  more.lengths = {400, 300};
  EXPECT_EQ(Evaluate(more).computed, 3 * 2 * 2 - 2);
}

TEST(Evaluation, AnInterruptedJournalIsCompleted) {
  TempDir dir;
  EXPECT_EQ(Evaluate(Options(dir, {"variables"})).computed, 2);
  const auto journal = dir.path() / "out/samples.jsonl";
  const std::string text = *ReadFile(journal, 1 << 24);
  // The machine stopped in the middle of the last line.
  ASSERT_TRUE(WriteFileAtomically(journal, text.substr(0, text.size() - 20)).ok());
  const Outcome rest = Evaluate(Options(dir, {"variables"}));
  EXPECT_EQ(rest.computed, 1);
  EXPECT_EQ(rest.report.tables[0].rows[0].samples, 2);
}

TEST(Evaluation, AChangedSettingIsAnotherExperiment) {
  TempDir dir;
  EXPECT_EQ(Evaluate(Options(dir, {"variables"})).computed, 2);
  std::vector<std::string> remarks;
  EvalOptions other = Options(dir, {"variables"});
  other.methods[0].engine.attention = StreamLlmConfig{.n_init = 4, .n_local = 128};
  other.log = [&](LogLevel, std::string_view line) { remarks.emplace_back(line); };
  const Outcome second = Evaluate(other);
  EXPECT_EQ(second.computed, 2);
  EXPECT_EQ(second.report.tables[0].rows[0].samples, 2);
  EXPECT_LT(second.report.tables[0].rows[0].density, 1);
  ASSERT_FALSE(remarks.empty());
  EXPECT_THAT(remarks[0], HasSubstr("2 samples of other tasks or settings"));
  // Options of the run that change no result change no experiment.
  EvalOptions same = Options(dir, {"variables"});
  same.methods[0].engine.threads = 1;
  same.jobs = 2;
  EXPECT_EQ(Evaluate(same).computed, 0);
  // The passkey task's depths depend on the number of samples.
  EXPECT_EQ(Evaluate(Options(dir, {"passkey"})).computed, 2);
  EvalOptions three = Options(dir, {"passkey"});
  three.samples = 3;
  EXPECT_EQ(Evaluate(three).computed, 3);
}

TEST(Evaluation, JobsGiveTheSameAnswers) {
  TempDir one_dir, two_dir;
  EvalOptions one = Options(one_dir, {"facts"}), two = Options(two_dir, {"facts"});
  one.samples = two.samples = 5;
  two.jobs = 2;
  const Outcome a = Evaluate(one), b = Evaluate(two);
  ASSERT_TRUE(a.status.ok() && b.status.ok());
  EXPECT_EQ(b.computed, 5);
  EXPECT_EQ(a.report.tables[0].rows[0].score, b.report.tables[0].rows[0].score);
}

TEST(Evaluation, StopsWhenCancelledAndGoesOn) {
  TempDir dir;
  EvalOptions options = Options(dir, {"variables"});
  options.samples = 8;
  std::unique_ptr<Evaluation> e = std::move(*Evaluation::Prepare(options));
  const Status status = e->Run([&](const EvalProgress& p) {
    if (p.samples_done == 2) e->Cancel();
  });
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  const int64_t done = e->MakeReport().tables[0].rows[0].samples;
  EXPECT_GE(done, 2);
  EXPECT_LT(done, 8);
  e.reset();
  EXPECT_EQ(Evaluate(options).computed, 8 - done);
}

TEST(Evaluation, DrawsNeedleHeatmaps) {
  TempDir dir;
  EvalOptions options = Options(dir, {"needle"});
  options.depths = {0, 100};
  options.samples = 1;
  options.lengths = {300, 400};
  ASSERT_TRUE(Evaluate(options).status.ok());
  EXPECT_THAT(*ReadFile(dir.path() / "out/needle-dense.svg", 1 << 20), HasSubstr("</svg>"));
  const std::string json = *ReadFile(dir.path() / "out/needle-dense.json", 1 << 20);
  EXPECT_THAT(json, HasSubstr("\"depth_percent\": 100"));
}

TEST(Evaluation, MeasuresPerplexityBothWays) {
  TempDir dir;
  EvalOptions options = Options(dir, {"perplexity"});
  options.lengths = {200};
  const Outcome prefill = Evaluate(options);
  ASSERT_TRUE(prefill.status.ok()) << prefill.status.message();
  const double ppl = prefill.report.tables[0].rows[0].score;
  EXPECT_GT(ppl, 5);
  EXPECT_LT(ppl, 500);
  options.one_by_one = true;
  const Outcome decode = Evaluate(options);
  EXPECT_EQ(decode.computed, 2);
  EXPECT_NEAR(decode.report.tables[0].rows[0].score, ppl, 0.02 * ppl);
  EXPECT_EQ(Lines(dir.path() / "out/nll-dense-200-42-0.txt"), 199);
  EXPECT_THAT(*ReadFile(dir.path() / "out/perplexity-running.svg", 1 << 20),
              HasSubstr(">dense</text>"));
}

TEST(Evaluation, TheDecodedTailChangesTheExperimentNotTheAnswer) {
  TempDir dir;
  EvalOptions options = Options(dir, {"passkey"});
  EXPECT_EQ(Evaluate(options).report.tables[0].rows[0].score, 1);
  options.decode_tail_bytes = 100;
  const Outcome tail = Evaluate(options);
  EXPECT_EQ(tail.computed, 2);
  EXPECT_EQ(tail.report.tables[0].rows[0].score, 1);
}

TEST(Evaluation, ALengthThatIsTooShortForATaskIsACell) {
  TempDir dir;
  EvalOptions options = Options(dir, {"passkey", "cwe"});
  options.lengths = {200, 400, 1200};  // below what cwe may have, what it takes, and enough
  options.samples = 1;
  std::vector<std::string> log;
  options.log = [&](LogLevel, std::string_view line) { log.emplace_back(line); };
  const Outcome outcome = Evaluate(options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.computed, 4);
  const std::vector<ReportRow>& cwe = outcome.report.tables[1].rows;
  EXPECT_TRUE(cwe[0].too_short && cwe[1].too_short && !cwe[2].too_short);
  EXPECT_EQ(cwe[2].samples, 1);
  EXPECT_THAT(ToMarkdown(outcome.report), HasSubstr("| 400 | 0 of 1 | too short |"));
  EXPECT_THAT(log, testing::ElementsAre(HasSubstr("cwe: length is 200, must be at least 256"),
                                        HasSubstr("cwe: length 400 is too short")));
}

// An exception in a job, here of who is told about progress, is a status.
TEST(Evaluation, ExceptionsInJobsAreStatuses) {
  TempDir dir;
  Result<std::unique_ptr<Evaluation>> e = Evaluation::Prepare(Options(dir, {"passkey"}));
  ASSERT_TRUE(e.ok()) << e.status().message();
  const Status s = (*e)->Run([](const EvalProgress& p) {
    if (p.samples_done == 1) throw std::runtime_error("no terminal");
  });
  EXPECT_EQ(s.code(), StatusCode::kInternal);
  EXPECT_THAT(s.message(), HasSubstr("no terminal"));
}

TEST(Evaluation, SaysOnceThatAMethodMissesItsQuestion) {
  TempDir dir;
  EvalOptions options = Options(dir, {"passkey", "perplexity"});
  const auto qllm = DefaultRunConfig(PhaseMethods(
      SuggestAttentionConfig(*DefaultAttentionConfig("qllm"), /*native_context=*/2048)));
  ASSERT_TRUE(qllm.ok());
  options.methods[0].engine.attention = qllm->attention;
  std::vector<std::string> log;
  options.log = [&](LogLevel, std::string_view line) { log.emplace_back(line); };
  ASSERT_TRUE(Evaluate(options).status.ok());
  EXPECT_THAT(log, testing::ElementsAre(HasSubstr("perplexity: a prompt has no question")));
}

TEST(Evaluation, NotesAreAboutTheTasksThatRan) {
  TempDir dir;
  EvalOptions options = Options(dir, {"perplexity"});
  const auto text = dir.path() / "s.txt";
  ASSERT_TRUE(WriteFileAtomically(text, "It was a truth. She was sure of it.").ok());
  options.text_file = text.string();
  const std::string report = ToMarkdown(Evaluate(options).report);
  EXPECT_THAT(report, HasSubstr("perplexity: of s.txt, as many texts or stretches as it has"));
  EXPECT_THAT(report, Not(HasSubstr("haystack")));
  EXPECT_THAT(report, Not(HasSubstr("samples per length")));
  TempDir other;
  const std::string passkey = ToMarkdown(Evaluate(Options(other, {"passkey"})).report);
  EXPECT_THAT(passkey, HasSubstr("2 samples per length and seed; seeds 42"));
  EXPECT_THAT(passkey, Not(HasSubstr("perplexity")));
}

TEST(Evaluation, RefusesWhatCannotBe) {
  TempDir dir;
  const auto message = [&](auto change) {
    EvalOptions o = Options(dir, {"needle"});
    change(o);
    return Evaluation::Prepare(std::move(o)).status().message();
  };
  EXPECT_THAT(message([](EvalOptions& o) { o.lengths = {100}; }),
              HasSubstr("needle: length is 100, must be between 256"));
  EXPECT_THAT(message([](EvalOptions& o) { o.lengths.clear(); }), HasSubstr("no length"));
  EXPECT_THAT(message([](EvalOptions& o) { o.samples = 0; }), HasSubstr("samples is 0"));
  EXPECT_THAT(message([](EvalOptions& o) { o.jobs = 0; }), HasSubstr("jobs is 0"));
  EXPECT_THAT(message([](EvalOptions& o) { o.depths = {0, 101}; }), HasSubstr("depth is 101"));
  EXPECT_THAT(message([](EvalOptions& o) { o.tasks.clear(); }), HasSubstr("no task"));
  EXPECT_THAT(message([](EvalOptions& o) { o.methods.push_back(o.methods[0]); }),
              HasSubstr("two methods are called dense"));
  EXPECT_THAT(message([](EvalOptions& o) {
                o.methods.push_back(o.methods[0]);
                o.methods[1].label = "other";
                o.methods[1].engine.model = SourcePath("models/needle-5m-8k").string();
              }),
              HasSubstr("different models"));
  EXPECT_THAT(message([](EvalOptions& o) { o.haystack = "/nonexistent.txt"; }),
              HasSubstr("/nonexistent.txt"));
  EXPECT_THAT(message([](EvalOptions& o) { o.methods[0].engine.model = "/nonexistent"; }),
              HasSubstr("/nonexistent"));
  EXPECT_THAT(message([](EvalOptions& o) { o.data = "/nonexistent"; }),
              HasSubstr("data is /nonexistent, which is no folder"));
  EXPECT_THAT(message([](EvalOptions& o) { o.out = ""; }),
              HasSubstr("out is empty, must name a folder"));
  EXPECT_THAT(message([](EvalOptions& o) { o.out = "/dev/null/x"; }), HasSubstr("/dev/null/x"));
}

}  // namespace
}  // namespace quarry::eval
