// Scoring rules, one table a rule.

#include "eval/metrics.h"

#include <gtest/gtest.h>

#include "eval/statistics.h"

namespace quarry::eval {
namespace {

using Rule = double (*)(std::string_view, Labels);

struct Case {
  const char* prediction;
  std::vector<std::string> labels;
  double score;
};

void ExpectAll(Rule rule, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    EXPECT_NEAR(rule(c.prediction, c.labels), c.score, 1e-8)
        << c.prediction << " / " << c.labels[0];
  }
}

TEST(Metrics, FirstInt) {
  ExpectAll(FirstInt, {{"The key is 12345.", {"12345"}, 1},
                       {"012345", {"12345"}, 0},
                       {"1 12345", {"12345"}, 0},
                       {"none", {"12345"}, 0},
                       {"", {"1"}, 0}});
  ExpectAll(FirstIntValue, {{" 00731 and 4", {"731"}, 1}, {"7310", {"731"}, 0}, {"", {"0"}, 0}});
}

TEST(Metrics, Contains) {
  ExpectAll(Contains, {{"is 8231947!", {"8231947"}, 1}, {"823 1947", {"8231947"}, 0}});
}

TEST(Metrics, HasPhrase) {
  ExpectAll(HasPhrase, {{"It is new york.", {"New York"}, 1},
                        {"room 786!", {"786"}, 1},
                        {"room 7861 or 1786", {"786"}, 0},
                        {"7861, no, 786", {"786"}, 1},
                        {"Roman", {"Rome"}, 0}});
}

TEST(Metrics, WordIn) {
  ExpectAll(WordIn, {{"\"ab-12\".", {"ab-12"}, 1},
                     {"Theab-12</s>", {"ab-12"}, 1},
                     {"xab-12", {"ab-12"}, 0},
                     {"AB-12", {"ab-12"}, 0}});
  ExpectAll(UpperCaseWordIn,
            {{"it is Rebecca.", {"REBECCA", "BECKY"}, 1}, {"Becky", {"REBECCA", "BECKY"}, 0}});
}

TEST(Metrics, RulerAllAndPart) {
  ExpectAll(AllIn, {{"ALPHA, beta\x01gamma", {"alpha", "gamma"}, 1},
                    {"alpha", {"alpha", "gamma", "delta", "x"}, 0.25},
                    {"", {"alpha"}, 0}});
  EXPECT_EQ(PostProcess("\t a\tb\x02 \x03"), "a\nb");
}

TEST(Metrics, Numbers) {
  ExpectAll(LastInt, {{"the value is: -17.", {"-17"}, 1}, {"17 is it", {"17"}, 0}, {"", {"1"}, 0}});
  ExpectAll(FirstNumber, {{"about 47.9", {"47"}, 1},
                          {"47.50", {"47.5"}, 1},
                          {"47", {"47.5"}, 0},
                          {"007", {"7"}, 1},
                          {"none", {"7"}, 0}});
  ExpectAll(PrefixMatch, {{"[1, 4, 8]", {"1", "4", "8"}, 1},
                          {"[1, 5, 8]", {"1", "4", "8"}, 1.0 / 3},
                          {"1", {"1", "4"}, 0.5},
                          {"", {"1"}, 0}});
}

TEST(Metrics, Choices) {
  const std::vector<std::string> debug = {"run_all", "B"};
  ExpectAll(ChoiceDebug, {{" B. run_all", debug, 1},
                          {"The correct option is: `B`", debug, 1},
                          {"The answer is: run_all", debug, 1},
                          {"The answer is: C", debug, 0},
                          {"run_all", debug, 0}});
  const std::vector<std::string> book = {"Bob", "B"};
  ExpectAll(ChoiceBook, {{"B", book, 1},
                         {"A. Bob", book, 0},
                         {"", book, 0},
                         {"the answer is B", book, 1},
                         {"the answer is: C", book, 0},
                         {"so it must be B then", book, 1},
                         {"no idea", book, 0}});
}

TEST(Metrics, Overlap) {
  ExpectAll(F1English, {{"The cat, sat on a mat.", {"A cat sat on the red mat"}, 0.888888889},
                        {"x", {"y", "X"}, 1},
                        {"", {"y"}, 0}});
  ExpectAll(F1Chinese, {{"我喜欢北京天安门。", {"我喜欢天安门"}, 0.857142857}});
  // rouge_score 0.1.2, rougeLsum without stemming.
  ExpectAll(RougeLsum, {{"a b c d", {"a c b d"}, 0.75},
                        {"the cat was found\nit was happy", {"it was happy\nthe cat was found"}, 1},
                        {"", {"a"}, 0}});
  ExpectAll(WordRecall, {{"You should eat a sandwich in the park.",
                          {"eat a sandwich and sit in Dolores Park on a sunny day"},
                          3.0 / 7}});
}

TEST(Statistics, WilsonInterval) {
  // Newcombe 1998, table I: 81 of 263 and 0 of 20.
  EXPECT_NEAR(WilsonInterval(81, 263).low, 0.2553, 5e-5);
  EXPECT_NEAR(WilsonInterval(81, 263).high, 0.3662, 5e-5);
  EXPECT_EQ(WilsonInterval(0, 20).low, 0);
  EXPECT_NEAR(WilsonInterval(0, 20).high, 0.1611, 5e-5);
  EXPECT_NEAR(WilsonInterval(20, 20).low, 1 - 0.1611, 5e-5);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
}

}  // namespace
}  // namespace quarry::eval
