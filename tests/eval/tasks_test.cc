// Every generator: fixed by its seed, within its length, with the answer where it says.

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/planted.h"
#include "tests/eval/eval_fixture.h"

namespace quarry::eval {
namespace {

using testing::HasSubstr;
using TasksTest = EvalFixture;

// Tasks that need no files, with the length that suits each.
struct Generated {
  const char* name;
  Wording wording;
  int64_t length;
};

const Generated kGenerated[] = {
    {"passkey", Wording::kOriginal, 600},
    {"passkey", Wording::kSimple, 600},
    {"needle", Wording::kOriginal, 700},
    {"needle", Wording::kSimple, 600},
    {"needle-fact", Wording::kOriginal, 700},
    {"needle-fact", Wording::kSimple, 600},
    {"kv-retrieval", Wording::kOriginal, 900},
    {"kv-retrieval", Wording::kSimple, 600},
    {"multi-needle", Wording::kSimple, 600},
    {"facts", Wording::kSimple, 600},
    {"variables", Wording::kSimple, 600},
    {"niah_single_1", Wording::kOriginal, 1024},
    {"niah_single_2", Wording::kSimple, 1024},
    {"niah_single_3", Wording::kSimple, 1024},
    {"niah_multikey_1", Wording::kSimple, 1024},
    {"niah_multikey_2", Wording::kOriginal, 1024},
    {"niah_multikey_3", Wording::kSimple, 1024},
    {"niah_multivalue", Wording::kSimple, 1024},
    {"niah_multiquery", Wording::kSimple, 1024},
    {"vt", Wording::kOriginal, 1500},
    {"cwe", Wording::kOriginal, 2048},
    {"fwe", Wording::kOriginal, 1024},
    {"infinitebench/passkey", Wording::kOriginal, 800},
    {"infinitebench/number_string", Wording::kOriginal, 800},
    {"infinitebench/kv_retrieval", Wording::kOriginal, 900},
};

class GeneratorTest : public EvalFixture, public testing::WithParamInterface<Generated> {};

TEST_P(GeneratorTest, IsFixedByTheSeed) {
  const Generated& g = GetParam();
  const TaskContext context = Context(g.wording);
  const EvalTask& task = Task(g.name);
  const auto a = Make(task, context, g.length, 3), b = Make(task, context, g.length, 3);
  const auto c = Make(task, context, g.length, 3, 43);
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(Text(a[i]), Text(b[i]));
    EXPECT_EQ(a[i].answers, b[i].answers);
    EXPECT_EQ(a[i].index, static_cast<int64_t>(i));
  }
  EXPECT_NE(Text(a[0]), Text(c[0]));
}

TEST_P(GeneratorTest, FillsItsLengthAndKeepsWithinIt) {
  const Generated& g = GetParam();
  const std::string name = g.name;
  for (const Sample& s : Make(Task(name), Context(g.wording), g.length, 3)) {
    // These leave the answer to come on top, as their authors do (docs/evaluation.md).
    const bool on_top = name == "fwe" || (name == "needle-fact" && s.max_new_tokens == 300) ||
                        (name == "passkey" && g.wording == Wording::kOriginal);
    const int64_t total = Tokens(s, true) + (on_top ? 0 : s.max_new_tokens);
    EXPECT_LE(total, g.length);
    EXPECT_GE(total, g.length / 2);
  }
}

TEST_P(GeneratorTest, HoldsWhatIsAskedFor) {
  const Generated& g = GetParam();
  const EvalTask& task = Task(g.name);
  for (const Sample& s : Make(task, Context(g.wording), g.length, 3)) {
    const std::string text = Text(s);
    std::string right;
    for (const std::string& answer : s.answers) {
      EXPECT_THAT(text, HasSubstr(answer));
      right += " " + answer;
    }
    EXPECT_EQ(task.Score(s, right), 1) << right;
    EXPECT_EQ(task.Score(s, "I do not know."), 0);
    EXPECT_EQ(task.Score(s, ""), 0);
    EXPECT_THAT(text, HasSubstr(s.question));
  }
}

INSTANTIATE_TEST_SUITE_P(All, GeneratorTest, testing::ValuesIn(kGenerated), [](const auto& test) {
  std::string name =
      std::string(test.param.name) + "_" + std::string(WordingName(test.param.wording));
  for (char& c : name) c = c == '-' || c == '/' ? '_' : c;
  return name;
});

TEST_F(TasksTest, NeedlesStandAtTheirDepth) {
  const TaskContext context = Context(Wording::kSimple);
  const auto samples = Make(Task("needle"), context, 1500, 2);
  ASSERT_EQ(samples.size(), 6u);
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& s = samples[i];
    EXPECT_EQ(s.depth, static_cast<double>(context.depths[i % 3]));
    const size_t at = s.document.find("The special magic number");
    ASSERT_NE(at, std::string::npos);
    const double depth = 100 * static_cast<double>(at) / static_cast<double>(s.document.size());
    // It stands after the sentence before its place; sentences here are shorter than 20 % of it.
    EXPECT_LE(depth, *s.depth + 2);
    EXPECT_GE(depth, *s.depth - 20);
    EXPECT_EQ(*s.depth == 0, at <= 1);
    EXPECT_EQ(*s.depth == 100, s.document.ends_with(s.answers[0] + "."));
  }
  // Every round reads on in the book.
  EXPECT_NE(samples[0].document.substr(200, 100), samples[3].document.substr(200, 100));
}

TEST_F(TasksTest, TheOriginalNeedlePromptIsTheBenchmarks) {
  const auto samples = Make(Task("needle"), Context(Wording::kOriginal), 600, 1);
  const Sample& s = samples[1];
  EXPECT_TRUE(s.prompt.starts_with(
      "Write a high-quality answer for the given question using only the provided search results "
      "(some of which might be irrelevant).\n"));
  EXPECT_TRUE(s.prompt.ends_with(
      " Don't give information outside the document or repeat your findings. Keep your response "
      "short and direct. Answer: "));
  EXPECT_THAT(s.prompt,
              testing::ContainsRegex("\nThe special magic [A-Z][a-z ]+ number is: [0-9]{7}\n"));
  EXPECT_EQ(s.max_new_tokens, 32);
  EXPECT_TRUE(s.role.empty());
}

TEST_F(TasksTest, PasskeyDepthsGoFromTheFirstShareToTheEnd) {
  const auto samples = Make(Task("passkey"), Context(Wording::kOriginal), 600, 4);
  ASSERT_EQ(samples.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(*samples[i].depth, 25.0 * static_cast<double>(i + 1), 0.1);
    const std::string& p = samples[i].prompt;
    const size_t at = p.find("The pass key is " + samples[i].answers[0]);
    const size_t begin = p.find('\n') + 1, end = p.rfind('\n');
    const auto filler = static_cast<double>(end - begin);
    EXPECT_NEAR(100 * static_cast<double>(at - begin) / filler, *samples[i].depth, 8);
    EXPECT_TRUE(p.ends_with("\nWhat is the pass key? The pass key is"));
    EXPECT_LT(Tokens(samples[i]), 600);
  }
  // Python's first draws of this seed.
  EXPECT_EQ(samples[0].answers[0], "41906");
  EXPECT_EQ(samples[1].answers[0], "7297");
  EXPECT_EQ(samples[2].answers[0], "1640");
}

TEST_F(TasksTest, PasskeyDrawsTheDepthOfManySamples) {
  const auto samples = Make(Task("passkey"), Context(Wording::kOriginal), 200, 101);
  std::set<double> depths;
  for (const Sample& s : samples) depths.insert(*s.depth);
  EXPECT_GT(depths.size(), 50u);
}

TEST_F(TasksTest, KvRetrievalAsksForPairsAllOverTheObject) {
  const auto samples = Make(Task("kv-retrieval"), Context(Wording::kSimple), 1000, 4);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_NEAR(*samples[i].depth, 25.0 * static_cast<double>(i), 4);
    EXPECT_TRUE(samples[i].document.starts_with("{\n \""));
    EXPECT_TRUE(samples[i].document.ends_with("\"\n}"));
  }
  const auto original = Make(Task("kv-retrieval"), Context(Wording::kOriginal), 900, 1);
  EXPECT_EQ(original[0].role, "system");
  EXPECT_TRUE(original[0].prompt.ends_with("\nThe value associated with the specified key is: "));
  EXPECT_THAT(original[0].prompt,
              HasSubstr("\n\nJSON data:\n{\"bdd640fb-0667-4ad1-9c80-317fa3b1799d\": \""));
}

TEST_F(TasksTest, MoreSamplesDoNotChangeTheFirstOnes) {
  for (const char* name : {"needle", "multi-needle", "facts", "variables", "vt", "niah_single_1"}) {
    const TaskContext context = Context(Wording::kSimple);
    ASSERT_FALSE(Task(name).depends_on_count()) << name;
    const auto few = Make(Task(name), context, 1500, 1), more = Make(Task(name), context, 1500, 2);
    EXPECT_EQ(Text(few[0]), Text(more[0])) << name;
  }
}

TEST_F(TasksTest, ChatPromptsStayWithinTheLength) {
  TaskContext context = Context(Wording::kSimple);
  context.chat_prompts = true;
  for (const char* name : {"niah_multikey_1", "vt"}) {
    for (const Sample& s : Make(Task(name), context, 1500, 2)) {
      EXPECT_EQ(s.role, "user");
      EXPECT_LE(Tokens(s) + s.max_new_tokens, 1500);
      const std::string text = Text(s);
      EXPECT_THAT(text, HasSubstr("<|im_start|>assistant\n" + s.answer_prefix));
    }
  }
}

TEST_F(TasksTest, WithoutAChatTemplateQuestionsAreCompleted) {
  TaskContext context = Context(Wording::kSimple);
  context.chat = nullptr;
  const auto samples = Make(Task("facts"), context, 600, 1);
  const auto prompt = BuildPrompt(*context.tokenizer, nullptr, samples[0], false);
  const std::string text = *context.tokenizer->Decode(prompt->tokens);
  EXPECT_TRUE(text.ends_with("\nQuestion: " + samples[0].question + "\nAnswer:")) << text;
}

TEST_F(TasksTest, PerplexityReadsOneStretchAfterAnother) {
  TaskContext context = Context(Wording::kSimple);
  const auto samples = Make(Task("perplexity"), context, 500, 3);
  ASSERT_EQ(samples.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(samples[i].tokens.size(), 500u);
    EXPECT_TRUE(std::equal(samples[i].tokens.begin(), samples[i].tokens.end(),
                           shared().tokens.begin() + static_cast<std::ptrdiff_t>(500 * i)));
    EXPECT_TRUE(samples[i].score_prompt);
    EXPECT_EQ(samples[i].decode_tail, 0);
  }
  context.one_by_one = true;
  EXPECT_EQ(Make(Task("perplexity"), context, 500, 1)[0].decode_tail, 499);
}

TEST_F(TasksTest, TooShortLengthsAreRefused) {
  const TaskContext context = Context(Wording::kOriginal);
  for (const char* name : {"passkey", "kv-retrieval", "multi-needle", "needle", "niah_single_2"}) {
    const auto made = Task(name).Generate(context, {.length = 40, .samples = 1, .seed = 1});
    ASSERT_FALSE(made.ok()) << name;
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(made.status().message(), testing::AnyOf(HasSubstr("40"), HasSubstr("too short")));
  }
}

TEST_F(TasksTest, NamesAndGroups) {
  EXPECT_EQ(FindTasks("niah")->size(), 8u);
  EXPECT_EQ(FindTasks("ruler")->size(), 11u);
  EXPECT_EQ(FindTasks("infinitebench")->size(), 12u);
  EXPECT_EQ((*FindTasks("ppl"))[0]->name(), "perplexity");
  EXPECT_THAT(FindTasks("niah_multikey").status().message(),
              HasSubstr("did you mean \"niah_multikey_"));
  EXPECT_THAT(FindTasks("pass_key").status().message(), HasSubstr("\"passkey\""));
  std::set<std::string_view> names;
  for (const EvalTask* task : AllTasks()) EXPECT_TRUE(names.insert(task->name()).second);
}

TEST_F(TasksTest, PlantsKeepTheirOrderAndTheBudget) {
  const TaskContext context = Context(Wording::kSimple);
  const std::vector<Plant> plants = {
      {" Last one.", 90}, {" First one.", 10}, {" At the end.", 100}};
  const Result<std::string> text = PlantDocument(context, 1500, 1000, plants);
  ASSERT_TRUE(text.ok());
  const size_t first = text->find(" First one."), last = text->find(" Last one.");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(last, std::string::npos);
  EXPECT_LT(first, last);
  EXPECT_TRUE(text->ends_with(" At the end."));
  EXPECT_EQ((*text)[first - 1], '.');
  EXPECT_NEAR(static_cast<double>(shared().tokenizer->Encode(*text)->size()), 1500, 8);
  EXPECT_THAT(PlantDocument(context, 5, 0, plants).status().message(), HasSubstr("5 are left"));
}

}  // namespace
}  // namespace quarry::eval
