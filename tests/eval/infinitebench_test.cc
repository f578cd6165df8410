#include "eval/infinitebench.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/eval/eval_fixture.h"
#include "tests/support/temp_dir.h"

namespace quarry::eval {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const InfiniteBenchTaskInfo& Info(std::string_view name) {
  for (const auto& info : InfiniteBenchInfos()) {
    if (info.name == name) return info;
  }
  return InfiniteBenchInfos()[0];
}

InfiniteBenchExample Parse(std::string_view json) {
  const auto e = ParseInfiniteBench(json);
  EXPECT_TRUE(e.ok()) << e.status().message();
  return *e;
}

TEST(InfiniteBench, ReadsEveryFormOfAnExample) {
  const auto e =
      Parse(R"json({"id": 1, "content": "C", "input": "I", "answer": 17, "options": []})json");
  EXPECT_EQ(e.context, "C");
  EXPECT_THAT(e.answers, ElementsAre("17"));
  EXPECT_THAT(Parse(R"json({"context": "C", "answer": [[1, 4, 8]]})json").answers,
              ElementsAre("1", "4", "8"));
  EXPECT_FALSE(ParseInfiniteBench(R"json({"context": 3, "answer": "x"})json").ok());
  EXPECT_FALSE(ParseInfiniteBench(R"json({"context": "x"})json").ok());
  EXPECT_FALSE(ParseInfiniteBench("[]").ok());
}

TEST(InfiniteBench, FillsItsPrompts) {
  EXPECT_EQ(
      *InfiniteBenchPrompt(
          Info("kv_retrieval"),
          Parse(R"json({"context": "{\"a\": \"{input}\"}", "input": "key", "answer": ["b"]})json")),
      "Extract the value corresponding to the specified key in the JSON object below.\n\n"
      "{\"a\": \"{input}\"}\n\nkey");
  EXPECT_THAT(
      *InfiniteBenchPrompt(
          Info("math_find"),
          Parse(
              R"json({"context": "[3, 0]", "input": "You should answer with only one number, no other words. The second largest number of the list is: ", "answer": 0})json")),
      testing::StartsWith(
          "What is the second largest number in the following list?\n\n[3, 0]\n\n"));
  EXPECT_THAT(
      *InfiniteBenchPrompt(
          Info("code_run"),
          Parse(R"json({"context": "def", "input": "value of func_12(-3).", "answer": [4]})json")),
      testing::EndsWith("Please compute the exact value of func_12(-3). The value of "
                        "func_12(-3) is"));
  EXPECT_FALSE(
      InfiniteBenchPrompt(Info("code_run"),
                          Parse(R"json({"context": "", "input": "func_(3)", "answer": 1})json"))
          .ok());
  const auto choice = Parse(
      R"json({"context": "B", "input": "Who?", "answer": ["Bob"], "options": ["Al", "Bob", "Cy", "Di"]})json");
  EXPECT_THAT(*InfiniteBenchPrompt(Info("longbook_choice_eng"), choice),
              testing::EndsWith("Question: Who?\nA. Al\nB. Bob\nC. Cy\nD. Di\n\nThe letter of the "
                                "correct answer is"));
  EXPECT_THAT(InfiniteBenchLabels(Info("longbook_choice_eng"), choice), ElementsAre("Bob", "B"));
  EXPECT_FALSE(
      InfiniteBenchPrompt(Info("code_debug"),
                          Parse(R"json({"context": "", "answer": ["x"], "options": ["x"]})json"))
          .ok());
}

using InfiniteBenchTaskTest = EvalFixture;

TEST_F(InfiniteBenchTaskTest, ReadsFilesAndCutsTheMiddle) {
  TempDir dir;
  std::filesystem::create_directories(dir.path() / "infinitebench");
  std::string text;
  for (int i = 0; i < 3; ++i) {
    text += R"({"id": 1, "context": ")" + std::string(3000, 'a') +
            R"(", "input": "What is the pass key?", "answer": ["71432"], "options": []})"
            "\n\n";
  }
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "infinitebench/passkey.jsonl", text).ok());
  TaskContext context = Context(Wording::kOriginal);
  const EvalTask& task = Task("infinitebench/passkey");
  EXPECT_THAT(task.Generate(context, {.length = 512, .samples = 2, .seed = 1}).status().message(),
              HasSubstr("infinitebench/passkey.jsonl"));
  context.data = dir.path();
  const auto samples = Make(task, context, 512, 2);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(Tokens(samples[0]) + samples[0].max_new_tokens, 512 - 1);  // an odd limit
  const std::string prompt = Text(samples[0]);
  EXPECT_THAT(prompt, HasSubstr("There is an important info"));
  EXPECT_THAT(prompt, HasSubstr("The pass key is<|im_end|>"));
  EXPECT_EQ(task.Score(samples[0], " 71432 it is"), 1);
  EXPECT_EQ(task.Score(samples[0], "7143"), 0);
  EXPECT_THAT(Task("infinitebench/math_find")
                  .Generate(context, {.length = 512, .samples = 2, .seed = 1})
                  .status()
                  .message(),
              HasSubstr("math_find.jsonl"));

  ASSERT_TRUE(WriteFileAtomically(dir.path() / "infinitebench/passkey.jsonl", "{}\n").ok());
  EXPECT_THAT(task.Generate(context, {.length = 512, .samples = 2, .seed = 1}).status().message(),
              HasSubstr("passkey.jsonl:1: has no string \"context\""));
}

}  // namespace
}  // namespace quarry::eval
