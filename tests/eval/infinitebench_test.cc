#include "eval/infinitebench.h"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "eval/infinitebench_synthetic.h"
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
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_EQ(ParseInfiniteBench("{\"context\": \"x\", \"answer\": " + deep + "}").status().message(),
            "is nested deeper than 64");
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

TEST(InfiniteBenchSynthetic, MathFindAnswersAreRight) {
  PythonRandom random(42);
  for (int64_t i = 0; i < 14; ++i) {
    const auto e = MakeSynthetic("math_find", 50 + i % 2, i, 14, random);
    std::vector<int> numbers;
    for (const std::string& word : Words(e.context.substr(1, e.context.size() - 2))) {
      numbers.push_back(std::stoi(word));
    }
    ASSERT_EQ(numbers.size(), static_cast<size_t>(50 + i % 2));
    std::sort(numbers.begin(), numbers.end());
    const double median = (numbers[(numbers.size() - 1) / 2] + numbers[numbers.size() / 2]) / 2.0;
    std::vector<int> distinct = numbers;
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    const auto rank = static_cast<size_t>(i % 7 % 3);
    const double want = i % 7 == 6  ? median
                        : i % 7 < 3 ? distinct[distinct.size() - 1 - rank]
                                    : distinct[rank];
    EXPECT_EQ(std::stod(e.answers[0]), want) << e.input;
    EXPECT_THAT(e.input, HasSubstr(i % 7 == 6   ? "The median number of"
                                   : i % 7 == 1 ? "The second largest number of"
                                                : "number of the list is: "));
  }
}

TEST(InfiniteBenchSynthetic, MathCalcStaysBetween0And99) {
  PythonRandom random(42);
  const auto e = MakeSynthetic("math_calc", 200, 0, 1, random);
  const std::vector<std::string> words = Words(e.context);
  ASSERT_EQ(words.size(), 399u);
  ASSERT_EQ(e.answers.size(), 199u);
  int value = std::stoi(words[0]);
  for (size_t i = 1; i < words.size(); i += 2) {
    value += (words[i] == "+" ? 1 : -1) * std::stoi(words[i + 1]);
    EXPECT_EQ(std::to_string(value), e.answers[i / 2]);
    EXPECT_GE(value, 0);
    EXPECT_LE(value, 99);
  }
}

TEST(InfiniteBenchSynthetic, CodeRunAnswersAreWhatTheCodeReturns) {
  PythonRandom random(42);
  for (int64_t i = 0; i < 10; ++i) {
    const auto e = MakeSynthetic("code_run", 60, i, 10, random);
    // Runs the text itself: "def func_7(x):", "    return func_9(x) - 3".
    const auto body = [&](const std::string& name) {
      const size_t at = e.context.find("def " + name + "(x):\n    return ");
      EXPECT_NE(at, std::string::npos) << name;
      const size_t begin = e.context.find("return ", at) + 7;
      return Words(e.context.substr(begin, e.context.find('\n', begin) - begin));
    };
    const size_t call = e.input.find("func_");
    const size_t open = e.input.find('(', call);
    int value = std::stoi(e.input.substr(open + 1));
    int levels = 0;
    for (std::string name = e.input.substr(call, open - call); !name.empty(); ++levels) {
      const std::vector<std::string> words = body(name);
      if (words.size() == 3) value += (words[1] == "+" ? 1 : -1) * std::stoi(words[2]);
      name = words[0] == "x" ? "" : words[0].substr(0, words[0].find('('));
    }
    EXPECT_EQ(levels, 2 * (i % 5) + 2);
    EXPECT_EQ(e.answers[0], std::to_string(value));
  }
}

TEST(InfiniteBenchSynthetic, NumberStringsRepeatTheirDigits) {
  PythonRandom random(42);
  const auto e = MakeSynthetic("number_string", 20, 19, 20, random);
  EXPECT_EQ(e.answers[0].size(), 10u);
  EXPECT_TRUE(e.context.ends_with("is the sequence of digits.\n"));
  EXPECT_TRUE(MakeSynthetic("passkey", 20, 0, 20, random)
                  .context.starts_with("The grass is green. The sky is blue. The sun is yellow. "
                                       "Here we go. There and back again.\nThe pass key is "));
}

using InfiniteBenchTaskTest = EvalFixture;

TEST_F(InfiniteBenchTaskTest, SyntheticTasksNeedNoFile) {
  for (const char* name : {"math_find", "math_calc", "code_run"}) {
    const EvalTask& task = Task(std::string("infinitebench/") + name);
    const auto samples = Make(task, Context(Wording::kOriginal), 1200, 3);
    ASSERT_EQ(samples.size(), 3u);
    for (const Sample& s : samples) {
      EXPECT_LE(Tokens(s) + s.max_new_tokens, 1200) << name;
      std::string right = s.answers[0];
      for (size_t i = 1; i < s.answers.size(); ++i) right += ", " + s.answers[i];
      EXPECT_EQ(task.Score(s, right), 1) << name;
      EXPECT_EQ(task.Score(s, ""), 0) << name;
    }
    EXPECT_EQ(Text(samples[0]), Text(Make(task, Context(Wording::kOriginal), 1200, 3)[0]));
  }
  EXPECT_THAT(Task("infinitebench/longbook_qa_eng")
                  .Generate(Context(Wording::kOriginal), {.length = 1000, .samples = 1, .seed = 1})
                  .status()
                  .message(),
              HasSubstr("longbook_qa_eng.jsonl"));
}

TEST_F(InfiniteBenchTaskTest, SayWhatTheyLackOrMakeUp) {
  TempDir dir;
  std::filesystem::create_directories(dir.path() / "infinitebench");
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "infinitebench/passkey.jsonl", "").ok());
  TaskContext context = Context(Wording::kOriginal);
  EXPECT_EQ(Task("infinitebench/passkey").data_note(context),
            "infinitebench/passkey: made-up samples, not the published ones");
  context.data = dir.path();
  EXPECT_EQ(Task("infinitebench/passkey").data_note(context), "");
  EXPECT_THAT(Task("infinitebench/math_find").data_note(context),
              HasSubstr("infinitebench/math_find.jsonl is not there"));
  EXPECT_EQ(Task("infinitebench/math_find").missing_file(dir.path()), "");
  EXPECT_EQ(Task("infinitebench/code_debug").missing_file(dir.path()),
            "infinitebench/code_debug.jsonl");
  EXPECT_EQ(Task("passkey").missing_file(""), "");
}

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
  context.data = dir.path();
  const auto samples = Make(task, context, 512, 2);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(Tokens(samples[0]) + samples[0].max_new_tokens, 512 - 1);  // an odd limit
  const std::string prompt = Text(samples[0]);
  EXPECT_THAT(prompt, HasSubstr("There is an important info"));
  EXPECT_THAT(prompt, HasSubstr("The pass key is<|im_end|>"));
  EXPECT_EQ(task.Score(samples[0], " 71432 it is"), 1);
  EXPECT_EQ(task.Score(samples[0], "7143"), 0);
  EXPECT_THAT(Task("infinitebench/code_debug")
                  .Generate(context, {.length = 512, .samples = 2, .seed = 1})
                  .status()
                  .message(),
              HasSubstr("code_debug.jsonl"));

  ASSERT_TRUE(WriteFileAtomically(dir.path() / "infinitebench/passkey.jsonl", "{}\n").ok());
  EXPECT_THAT(task.Generate(context, {.length = 512, .samples = 2, .seed = 1}).status().message(),
              HasSubstr("passkey.jsonl:1: has no string \"context\""));
}

}  // namespace
}  // namespace quarry::eval
