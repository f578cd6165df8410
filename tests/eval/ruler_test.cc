// RULER's generators against its own: lengths, sizes in bytes and answers of the Python programs
// with seed 42 and a tokenizer that splits at white space.

#include "eval/ruler.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/sha256.h"

namespace quarry::eval {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<int64_t> CountWords(std::string_view text) {
  int64_t n = 0;
  bool in_word = false;
  for (char c : text) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    n += !space && !in_word;
    in_word = !space;
  }
  return n;
}

const WordPairs& Keys() {
  static const WordPairs keys(BuiltInWords().adjectives, BuiltInWords().nouns);
  return keys;
}

RulerInputs Inputs(int64_t limit, int64_t samples) {
  return {.limit = limit, .samples = samples, .seed = 42, .count = CountWords, .keys = &Keys()};
}

const NiahParameters& Niah(std::string_view name) {
  for (const NiahParameters& t : NiahTasks()) {
    if (t.name == name) return t;
  }
  return NiahTasks()[0];
}

struct Known {
  const char* task;
  int64_t limit;
  size_t sample;
  int64_t length;
  size_t bytes;
  const char* sha256;  // first 16 digits, of prompt and answer prefix
};

class KnownAnswers : public testing::TestWithParam<Known> {};

TEST_P(KnownAnswers, AreReproduced) {
  const Known& k = GetParam();
  const std::string task = k.task;
  const RulerInputs in = Inputs(k.limit, 2);
  const Result<std::vector<RulerSample>> samples = task == "vt"    ? GenerateVt(in)
                                                   : task == "fwe" ? GenerateFwe(in)
                                                                   : GenerateNiah(Niah(task), in);
  ASSERT_TRUE(samples.ok()) << samples.status().message();
  const RulerSample& s = (*samples)[k.sample];
  EXPECT_EQ(s.length, k.length);
  const std::string full = s.prompt + s.answer_prefix;
  EXPECT_EQ(full.size(), k.bytes);
  EXPECT_EQ(Sha256Hex(full).substr(0, 16), k.sha256);
}

INSTANTIATE_TEST_SUITE_P(
    Minf, KnownAnswers,
    testing::Values(Known{"niah_multikey_3", 1024, 0, 986, 9562, "ba65a3aee81f01e2"},
                    Known{"niah_multikey_3", 1024, 1, 986, 9562, "962a21b42ef0bff8"},
                    Known{"niah_multikey_3", 4096, 0, 3936, 43192, "b50aeddd18288adc"},
                    Known{"niah_multikey_3", 4096, 1, 3936, 43192, "69f883f10b0faf25"},
                    Known{"vt", 1024, 0, 938, 4451, "987428391054cf89"},
                    Known{"vt", 1024, 1, 938, 4451, "f4282dab6e4be3f8"},
                    Known{"vt", 4096, 0, 3978, 19011, "32a8df93a1411ff6"},
                    Known{"vt", 4096, 1, 3978, 19011, "084ead8060a84a1e"},
                    Known{"fwe", 1024, 0, 1073, 5284, "dab17681ad1bbb99"},
                    Known{"fwe", 1024, 1, 1073, 5284, "8303af975281f0ce"},
                    Known{"fwe", 4096, 0, 4047, 20618, "b5c8b28b83c47e37"},
                    Known{"fwe", 4096, 1, 4047, 20618, "0060e7d4a7eb1007"}),
    [](const auto& test) {
      return fmt::format("{}_{}_{}", test.param.task, test.param.limit, test.param.sample);
    });

TEST(Ruler, KnownReferences) {
  EXPECT_THAT((*GenerateNiah(Niah("niah_multikey_3"), Inputs(1024, 1)))[0].answers,
              ElementsAre("7c059799-bdae-4eff-a83c-510ed2efa93b"));
  EXPECT_THAT((*GenerateVt(Inputs(1024, 1)))[0].answers,
              ElementsAre("CQOAC", "TGKMW", "XEAKY", "UHSSU", "RMEFB"));
  EXPECT_THAT((*GenerateFwe(Inputs(1024, 1)))[0].answers,
              ElementsAre("gulkyz", "tounai", "gdxgpq"));
}

std::vector<std::string> EssayWords() {
  std::vector<std::string> words;
  for (int i = 0; i < 4000; ++i) {
    words.push_back(i % 8 == 0 ? "Then" : i % 8 == 7 ? "it." : fmt::format("word{}", i));
  }
  return words;
}

TEST(Ruler, EveryNiahTaskStaysWithinItsLimitAndHoldsItsAnswers) {
  const std::vector<std::string> essay = EssayWords();
  for (const NiahParameters& task : NiahTasks()) {
    RulerInputs in = Inputs(2048, 4);
    in.essay = essay;
    const auto samples = GenerateNiah(task, in);
    ASSERT_TRUE(samples.ok()) << samples.status().message();
    ASSERT_EQ(samples->size(), 4u);
    for (const RulerSample& s : *samples) {
      EXPECT_LE(s.length, 2048) << task.name;
      EXPECT_GT(s.length, 1024) << task.name;
      EXPECT_EQ(s.length, *CountWords(s.prompt + s.answer_prefix) + kNiahNewTokens);
      EXPECT_EQ(s.answers.size(), static_cast<size_t>(task.n_queries * task.n_values)) << task.name;
      for (const std::string& a : s.answers) EXPECT_THAT(s.prompt, HasSubstr(" is: " + a + "."));
      EXPECT_THAT(s.prompt, HasSubstr(s.query));
    }
  }
}

TEST(Ruler, TheSingularFormChangesTheTemplateButNotTheNeedle) {
  const auto one = (*GenerateNiah(Niah("niah_single_1"), Inputs(1024, 1)))[0];
  EXPECT_TRUE(one.prompt.starts_with("A special magic number is hidden within"));
  EXPECT_THAT(one.prompt, HasSubstr("One of the special magic numbers for " + one.query + " is: "));
  EXPECT_EQ(one.answer_prefix,
            " The special magic number for " + one.query + " mentioned in the provided text is");
  RulerInputs in = Inputs(2048, 1);
  const auto essay = EssayWords();
  in.essay = essay;
  const auto many = (*GenerateNiah(Niah("niah_multiquery"), in))[0];
  EXPECT_TRUE(many.prompt.starts_with("Some special magic numbers are hidden within"));
  EXPECT_THAT(many.query, testing::MatchesRegex(".+, .+, .+, and .+"));
}

TEST(Ruler, SeedsDecide) {
  RulerInputs a = Inputs(1024, 2), b = Inputs(1024, 2), c = Inputs(1024, 4);
  b.seed = 43;
  const auto first = *GenerateVt(a), other = *GenerateVt(b), more = *GenerateVt(c);
  EXPECT_EQ((*GenerateVt(a))[1].prompt, first[1].prompt);
  EXPECT_NE(first[0].prompt, other[0].prompt);
  // More samples do not change those before.
  EXPECT_EQ(first[1].prompt, more[1].prompt);
}

TEST(Ruler, CommonWordsAreTheMostFrequent) {
  const auto s = GenerateCwe(Inputs(1024, 1), BuiltInWords());
  ASSERT_TRUE(s.ok()) << s.status().message();
  ASSERT_EQ((*s)[0].answers.size(), 10u);
  EXPECT_LE((*s)[0].length, 1024);
  const std::string& prompt = (*s)[0].prompt;
  const std::string list = prompt.substr(prompt.rfind("\n1. "));
  for (const std::string& word : (*s)[0].answers) {
    int n = 0;
    for (size_t at = 0; (at = list.find(". " + word + " ", at)) != std::string::npos; ++at) ++n;
    EXPECT_GE(n, 5) << word;  // six times, the last of the list perhaps without a blank after it
  }
}

TEST(Ruler, TooShortALengthIsRefused) {
  const auto essay = EssayWords();
  RulerInputs in = Inputs(300, 1);
  in.essay = essay;
  EXPECT_THAT(GenerateNiah(Niah("niah_single_2"), in).status().message(),
              HasSubstr("length 300 is too short"));
  EXPECT_THAT(GenerateVt(in).status().message(), HasSubstr("too short"));
  EXPECT_THAT(GenerateFwe(in).status().message(), HasSubstr("too short"));
  EXPECT_THAT(GenerateCwe(in, BuiltInWords()).status().message(), HasSubstr("too short"));
}

TEST(SplitSentences, CutsWhereASentenceEndsAndAnotherBegins) {
  EXPECT_THAT(
      SplitSentences("He came. She (too) went! \"Why?\" Mr. smith, 3.5 of it. 4 more"),
      ElementsAre("He came.", "She (too) went!", "\"Why?\"", "Mr. smith, 3.5 of it.", "4 more"));
  EXPECT_TRUE(SplitSentences("").empty());
}

TEST(WordPairs, AreSortedAndDistinct) {
  const WordPairs pairs({"a", "a-b", "b"}, {"c", "b-c"});
  std::vector<std::string> all;
  for (size_t i = 0; i < pairs.size(); ++i) all.push_back(pairs[i]);
  EXPECT_THAT(all, ElementsAre("a-b-b-c", "a-b-c", "a-c", "b-b-c", "b-c"));
}

}  // namespace
}  // namespace quarry::eval
