// quarry eval as a user meets it.

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::HasSubstr;

const std::string kModel = SourcePath("models/needle-5m").string();

class EvalCommand : public testing::Test {
 protected:
  ProcessResult Eval(std::vector<std::string> args, const ProcessOptions& options = {}) {
    args.insert(args.begin(), {"eval", "-m", kModel, "-o", out()});
    return Quarry(std::move(args), options);
  }
  std::string out() const { return (dir_.path() / "out").string(); }
  std::string Read(const char* name) { return *ReadFile(dir_.path() / "out" / name, 1 << 24); }

  TempDir dir_;
};

size_t Count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST_F(EvalCommand, ComparesMethodsInOneTable) {
  const std::vector<std::string> args = {
      "passkey", "--methods", "dense,stream-llm,few=inf-llm", "--lengths", "512,1K",    "--samples",
      "2",       "--set",     "stream-llm.n_local=256",       "--set",     "few.topk=4"};
  const ProcessResult r = Eval(args);
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_THAT(r.out, HasSubstr("# Evaluation of needle-5m"));
  EXPECT_THAT(r.out, HasSubstr("| dense |  | 512 | 2 | 100.0 % |"));
  EXPECT_THAT(r.out, HasSubstr("| stream-llm | n_init=128 n_local=256 | 1K | 2 |"));
  EXPECT_THAT(r.out, testing::ContainsRegex("\\| few \\| [^|]*topk=4 [^|]*\\| 1K \\|"));
  EXPECT_EQ(Read("report.md"), r.out);
  EXPECT_EQ(Count(Read("samples.jsonl"), "\"score\""), 12u);
  // Again: the same table, nothing computed.
  const std::string journal = Read("samples.jsonl");
  const ProcessResult again = Eval(args);
  EXPECT_EQ(again.out, r.out);
  EXPECT_EQ(Read("samples.jsonl"), journal);
}

TEST_F(EvalCommand, PrintsJson) {
  const ProcessResult r =
      Eval({"variables", "facts", "--lengths", "512", "--samples", "1", "--json"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  const auto first = nlohmann::json::parse(r.out.substr(0, r.out.find('\n')));
  EXPECT_EQ(first.at("task"), "variables");
  EXPECT_EQ(first.at("method"), "dense");
  EXPECT_EQ(first.at("length"), 512);
  EXPECT_EQ(first.at("density"), 1.0);
  EXPECT_EQ(Count(r.out, "\n"), 2u);
}

TEST_F(EvalCommand, MeasuresCoverage) {
  const ProcessResult r = Eval({"passkey",
                                "--methods",
                                "dense,quest,more=quest,stream-llm",
                                "--lengths",
                                "1K",
                                "--samples",
                                "1",
                                "--set",
                                "quest.token_budget=32",
                                "--set",
                                "more.token_budget=32",
                                "--set",
                                "quest.dense_layers=0",
                                "--set",
                                "more.dense_layers=0",
                                "--set",
                                "more.target_coverage=0.95",
                                "--decode-tail",
                                "100",
                                "--coverage",
                                "--json"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  std::map<std::string, nlohmann::json> rows;
  std::istringstream lines(r.out);
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    rows[row.at("method")] = row;
  }
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_NEAR(rows["dense"].at("coverage").get<double>(), 1, 1e-5);
  const double fixed = rows["quest"].at("coverage");
  EXPECT_GT(fixed, 0);
  EXPECT_LT(fixed, 0.99);
  EXPECT_GT(rows["more"].at("coverage").get<double>(), fixed);
  EXPECT_GT(rows["more"].at("density").get<double>(), rows["quest"].at("density").get<double>());
  EXPECT_THAT(rows["more"].at("parameters").get<std::string>(), HasSubstr("target_coverage=0.95"));
  // It drops keys: nobody can tell.
  EXPECT_TRUE(!rows["stream-llm"].contains("coverage") || rows["stream-llm"]["coverage"].is_null());
}

TEST_F(EvalCommand, RunsGgufModels) {
  const std::string file = (dir_.path() / "model.gguf").string();
  const ProcessResult made = Quarry({"convert", kModel, file, "--type", "q8_0"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const ProcessResult r = Quarry({"eval", "-m", file, "-o", out(), "passkey", "--methods",
                                  "dense,inf-llm", "--lengths", "1K", "--samples", "2"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("| dense |  | 1K | 2 | 100.0 % |"));
  EXPECT_THAT(r.out, testing::ContainsRegex("\\| inf-llm \\| n_init=[^|]*\\| 1K \\| 2 \\|"));
}

TEST_F(EvalCommand, TakesYamlFilesAsMethods) {
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "window.yaml",
                                  "model:\n  type: stream-llm\n  path: x\n  n_init: 4\n  n_local: "
                                  "200\nchunk_size: 128\nmax_len: 100000\n")
                  .ok());
  const ProcessResult r =
      Eval({"passkey", "--methods", "dense", "-c", (dir_.path() / "window.yaml").string(),
            "--lengths", "512", "--samples", "1"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("| window | n_init=4 n_local=200 | 512 | 1 |"));
}

TEST_F(EvalCommand, SaysWhichKeysOfAFileHaveNoEffect) {
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "d.yaml",
                                  "model: {type: dense, path: x}\nmax_len: 100\n"
                                  "truncation: suffix\n")
                  .ok());
  const ProcessResult r = Eval({"passkey", "-c", "d=" + (dir_.path() / "d.yaml").string(),
                                "--lengths", "512", "--samples", "1"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("d: max_len: no effect here"));
  EXPECT_THAT(r.err, HasSubstr("d: truncation: no effect here"));
}

TEST_F(EvalCommand, LeavesOutWhatOfAGroupHasNoData) {
  const ProcessResult r = Eval({"infinitebench", "--lengths", "512", "--samples", "1"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("infinitebench: 6 of 12 tasks are left out"));
  EXPECT_THAT(r.err, HasSubstr("infinitebench/longbook_qa_eng.jsonl"));
  EXPECT_THAT(r.out, HasSubstr("## infinitebench/math_find"));
  EXPECT_THAT(r.out, HasSubstr("* infinitebench/math_find: made-up samples"));
}

TEST_F(EvalCommand, TheTableIsPrintedWhereFilesCannotBeWritten) {
  // A folder stands where the report would go.
  std::filesystem::create_directories(dir_.path() / "out/report.md/x");
  const ProcessResult r = Eval({"passkey", "--lengths", "512", "--samples", "1"});
  EXPECT_EQ(r.exit_code, 7) << r.err;
  EXPECT_THAT(r.out, HasSubstr("| dense |  | 512 | 1 |"));
  EXPECT_THAT(r.err, HasSubstr("report.md"));
}

TEST_F(EvalCommand, DrawsTheNeedleGrid) {
  const ProcessResult r = Eval({"needle", "--lengths", "300:500:2", "--depths", "0,50,100",
                                "--samples", "1", "--jobs", "2"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(Count(Read("needle-dense.svg"), "<title>"), 6u);
  EXPECT_EQ(nlohmann::json::parse(Read("needle-dense.json")).size(), 6u);
}

TEST_F(EvalCommand, AnInterruptKeepsWhatIsDone) {
  const std::vector<std::string> args = {"niah_single_1", "--lengths", "2K", "--samples", "60"};
  const ProcessResult r = Eval(args, {.interrupt_after_s = 3});
  EXPECT_EQ(r.exit_code, 130) << r.err;
  EXPECT_THAT(r.err, HasSubstr("stopped; the same command goes on from here"));
  EXPECT_THAT(r.out, HasSubstr(" of 60 |"));
  const size_t done = Count(Read("samples.jsonl"), "\"score\"");
  EXPECT_GT(done, 0u);
  EXPECT_LT(done, 60u);
}

TEST_F(EvalCommand, MeasuresPerplexityOfAFile) {
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "a.jsonl",
                                  "{\"text\": \"It was a truth. It was a truth. It was.\"}\n"
                                  "{\"text\": \"She was sure of it, and he was sure of her.\"}\n")
                  .ok());
  const ProcessResult r = Eval({"perplexity", "-f", (dir_.path() / "a.jsonl").string(), "--lengths",
                                "64,128", "--samples", "5"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("| dense |  | 128 | 2 |"));
  EXPECT_THAT(Read("perplexity.svg"), HasSubstr("</svg>"));
}

TEST_F(EvalCommand, NeedsAFolder) {
  const ProcessResult r = Quarry({"eval", "passkey", "-m", kModel, "-o", ""});
  EXPECT_EQ(r.exit_code, 2);
  EXPECT_THAT(r.err, HasSubstr("out is empty"));
}

TEST_F(EvalCommand, ListsItsTasks) {
  const ProcessResult r = Quarry({"eval", "--list"});
  EXPECT_EQ(r.exit_code, 0);
  for (const char* name : {"passkey", "needle", "kv-retrieval", "niah_multikey_3", "vt",
                           "perplexity", "infinitebench/math_find", "groups"}) {
    EXPECT_THAT(r.out, HasSubstr(name));
  }
}

struct BadEval {
  const char* name;
  std::vector<std::string> args;
  int exit_code;
  std::vector<const char*> message;
};

class BadEvalTest : public EvalCommand, public testing::WithParamInterface<BadEval> {};

TEST_P(BadEvalTest, IsOneClearLine) {
  const ProcessResult r = Eval(GetParam().args);
  EXPECT_EQ(r.exit_code, GetParam().exit_code) << r.err;
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  for (const char* fragment : GetParam().message) EXPECT_THAT(r.err, HasSubstr(fragment));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadEvalTest,
    testing::Values(
        BadEval{"no_task", {}, 2, {"no task"}},
        BadEval{"unknown_task", {"pasky"}, 2, {"\"pasky\"", "\"passkey\""}},
        BadEval{"unknown_method", {"passkey", "--methods", "inf-lm"}, 2, {"inf-lm", "inf-llm"}},
        BadEval{"short_length", {"passkey", "--lengths", "4"}, 2, {"length is 4", "128"}},
        BadEval{"long_length", {"passkey", "--lengths", "1000M"}, 2, {"1048576000"}},
        BadEval{"no_number", {"passkey", "--lengths", "4Q"}, 2, {"--lengths", "4Q"}},
        BadEval{"bad_range", {"passkey", "--lengths", "9:3:2"}, 2, {"9:3:2"}},
        BadEval{"bad_depth", {"needle", "--depths", "120"}, 2, {"depth is 120"}},
        BadEval{"bad_samples", {"passkey", "--samples", "0"}, 2, {"samples is 0"}},
        BadEval{"bad_wording", {"passkey", "--wording", "x"}, 2, {"--wording"}},
        BadEval{"unknown_key",
                {"passkey", "--methods", "inf-llm", "--set", "inf-llm.topkk=3"},
                2,
                {"topkk", "topk"}},
        BadEval{"missing_haystack", {"needle", "--haystack", "/no/file"}, 3, {"/no/file"}},
        BadEval{"empty_haystack", {"needle", "--haystack", "/dev/null"}, 2, {"holds no text"}},
        BadEval{"missing_text", {"perplexity", "-f", "/no/file"}, 3, {"/no/file"}},
        BadEval{"missing_config", {"passkey", "-c", "/no/file.yaml"}, 3, {"/no/file.yaml"}},
        BadEval{"missing_data", {"infinitebench/code_debug"}, 2, {"--data", "code_debug.jsonl"}},
        BadEval{"no_data_folder", {"infinitebench", "--data", "/nope"}, 3, {"/nope"}},
        BadEval{"too_short_for_all",
                {"vt", "cwe", "--lengths", "256"},
                2,
                {"vt: a length of 256 tokens"}},
        BadEval{"bad_option", {"passkey", "--lenghts", "1K"}, 2, {"--lenghts"}}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace quarry
