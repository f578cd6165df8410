#include "eval/journal.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/temp_dir.h"

namespace quarry::eval {
namespace {

using testing::HasSubstr;

Record MakeRecord(const std::string& settings, int64_t length, int64_t index) {
  Record r;
  r.settings = settings;
  r.length = length;
  r.seed = 42;
  r.index = index;
  r.task = "passkey";
  r.method = "inf-llm";
  r.parameters = "topk=4";
  r.depth = 12.5;
  r.answer = "say \"5\"\n\xF0\x9F\x92\x8E";
  r.expected = {"5", "6"};
  r.score = 0.25;
  r.prompt_tokens = 1000;
  r.new_tokens = 7;
  r.prefill_seconds = 1.5;
  r.decode_seconds = 0.25;
  r.density = 0.5;
  r.coverage = 0.75;
  r.kv_bytes = 1234;
  r.peak_rss_bytes = uint64_t{1} << 40;
  r.stop_reason = "eos";
  return r;
}

TEST(Record, SurvivesJson) {
  const Record r = MakeRecord("abc", 4096, 3);
  const std::string line = ToJsonLine(r);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Result<Record> back = ParseRecord(line);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(ToJsonLine(*back), line);
  EXPECT_EQ(back->answer, r.answer);
  EXPECT_EQ(back->expected, r.expected);
  EXPECT_EQ(back->depth, r.depth);
  EXPECT_EQ(back->coverage, r.coverage);
  EXPECT_EQ(back->peak_rss_bytes, r.peak_rss_bytes);

  Record bare = r;
  bare.depth.reset();
  bare.coverage.reset();
  EXPECT_FALSE(ParseRecord(ToJsonLine(bare))->coverage.has_value());
  EXPECT_FALSE(ParseRecord("{}").ok());
  EXPECT_FALSE(ParseRecord("nonsense").ok());
}

TEST(Record, KeepsScoresThatAreNoNumber) {
  Record r = MakeRecord("abc", 4096, 3);
  r.score = std::numeric_limits<double>::infinity();
  EXPECT_THAT(ToJsonLine(r), HasSubstr("\"score\":\"inf\""));
  EXPECT_EQ(ParseRecord(ToJsonLine(r))->score, r.score);
  r.score = -r.score;
  EXPECT_EQ(ParseRecord(ToJsonLine(r))->score, r.score);
  r.score = std::nan("");
  EXPECT_TRUE(std::isnan(ParseRecord(ToJsonLine(r))->score));
  // As it was written once.
  std::string line = ToJsonLine(r);
  line.replace(line.find("\"nan\""), 5, "null");
  EXPECT_TRUE(std::isnan(ParseRecord(line)->score));
}

TEST(Record, ErrorsNameTheField) {
  const auto error = [](const char* from, const char* to) {
    std::string line = ToJsonLine(MakeRecord("abc", 4096, 3));
    line.replace(line.find(from), std::string_view(from).size(), to);
    return ParseRecord(line).status().message();
  };
  EXPECT_EQ(ParseRecord("{}").status().message(), "task is missing, must be a string");
  EXPECT_EQ(error("\"task\":\"passkey\"", "\"task\":7"), "task is 7, must be a string");
  EXPECT_EQ(error("\"length\":4096", "\"length\":\"x\""), "length is \"x\", must be an integer");
  EXPECT_EQ(error("\"seed\":42", "\"seed\":-1"), "seed is -1, must be an integer, 0 or more");
  EXPECT_EQ(error("[\"5\",\"6\"]", "[5]"), "expected is [5], must be a list of strings");
  EXPECT_THAT(error("\"score\":0.25", "\"score\":\"high\""), HasSubstr("score is \"high\""));
  EXPECT_THAT(error("\"score\":0.25,", ""), HasSubstr("score is missing, must be a number"));
}

// Copying or printing a value that is nested so deep would use up the stack.
TEST(Record, RefusesDeepNesting) {
  const std::string deep =
      "{\"task\": " + std::string(200'000, '[') + std::string(200'000, ']') + "}";
  EXPECT_EQ(ParseRecord(deep).status().message(), "is nested deeper than 64");
  TempDir dir;
  const auto path = dir.path() / "samples.jsonl";
  ASSERT_TRUE(WriteFileAtomically(path, "{\"described\": " + deep + "}\n").ok());
  EXPECT_EQ(Journal::Open(path).status().code(), StatusCode::kCorruptData);
}

TEST(Journal, RemembersAcrossOpenings) {
  TempDir dir;
  const auto path = dir.path() / "deep" / "samples.jsonl";
  {
    Result<Journal> j = Journal::Open(path);
    ASSERT_TRUE(j.ok()) << j.status().message();
    ASSERT_TRUE(j->Describe("a", R"({"task": "passkey"})").ok());
    ASSERT_TRUE(j->Describe("a", R"({"task": "passkey"})").ok());
    ASSERT_TRUE(j->Append(MakeRecord("a", 1024, 1)).ok());
    ASSERT_TRUE(j->Append(MakeRecord("a", 1024, 0)).ok());
    ASSERT_TRUE(j->Append(MakeRecord("b", 2048, 0)).ok());
  }
  Result<Journal> j = Journal::Open(path);
  ASSERT_TRUE(j.ok()) << j.status().message();
  EXPECT_NE(j->Find("a", 1024, 42, 0), nullptr);
  EXPECT_EQ(j->Find("a", 1024, 42, 2), nullptr);
  EXPECT_EQ(j->Find("a", 1024, 43, 0), nullptr);
  EXPECT_EQ(j->Find("b", 1024, 42, 0), nullptr);
  const auto all = j->FindAll("a", 1024, 42);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->index, 0);
  EXPECT_EQ(all[1]->index, 1);
  EXPECT_EQ(j->CountOthers({"a"}), 1);
  const std::string text = *ReadFile(path, 1 << 20);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST(Journal, DropsATornLastLine) {
  TempDir dir;
  const auto path = dir.path() / "samples.jsonl";
  const std::string whole = ToJsonLine(MakeRecord("a", 1024, 0));
  const std::string torn = ToJsonLine(MakeRecord("a", 1024, 1));
  ASSERT_TRUE(WriteFileAtomically(path, whole + torn.substr(0, 50)).ok());
  {
    Result<Journal> j = Journal::Open(path);
    ASSERT_TRUE(j.ok()) << j.status().message();
    EXPECT_NE(j->Find("a", 1024, 42, 0), nullptr);
    EXPECT_EQ(j->Find("a", 1024, 42, 1), nullptr);
    ASSERT_TRUE(j->Append(MakeRecord("a", 1024, 1)).ok());
  }
  EXPECT_EQ(*ReadFile(path, 1 << 20), whole + torn);
}

TEST(Journal, RefusesWhatIsNoJournal) {
  TempDir dir;
  const auto path = dir.path() / "samples.jsonl";
  ASSERT_TRUE(WriteFileAtomically(path, ToJsonLine(MakeRecord("a", 1, 0)) + "hello\n").ok());
  const Status s = Journal::Open(path).status();
  EXPECT_EQ(s.code(), StatusCode::kCorruptData);
  EXPECT_THAT(s.message(), HasSubstr("samples.jsonl:2: "));
}

TEST(Journal, HasOneWriter) {
  TempDir dir;
  const auto path = dir.path() / "samples.jsonl";
  const Result<Journal> first = Journal::Open(path);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(Journal::Open(path).status().message(), HasSubstr("another evaluation"));
}

TEST(Journal, TakesRecordsFromSeveralThreads) {
  TempDir dir;
  Result<Journal> j = Journal::Open(dir.path() / "samples.jsonl");
  ASSERT_TRUE(j.ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) EXPECT_TRUE(j->Append(MakeRecord("a", 1024, t * 25 + i)).ok());
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(j->FindAll("a", 1024, 42).size(), 100u);
}

}  // namespace
}  // namespace quarry::eval
