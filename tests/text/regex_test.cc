#include "text/regex.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/regex_syntax.h"

namespace quarry::text {
namespace {

using testing::HasSubstr;

// What the expression matches in the text, in order.
std::vector<std::string> Matches(const std::string& pattern, const std::string& text) {
  const Result<Regex> regex = Regex::Compile(pattern);
  if (!regex.ok()) return {"error: " + regex.status().message()};
  std::vector<Match> found;
  const Status s = RegexMatcher(*regex).Split(text, found);
  if (!s.ok()) return {"error: " + s.message()};
  std::vector<std::string> out;
  size_t at = 0;
  for (const Match& m : found) {
    EXPECT_EQ(m.begin, at) << "matches and gaps must cover the text";
    at = m.end;
    if (m.is_match) out.push_back(text.substr(m.begin, m.end - m.begin));
  }
  EXPECT_EQ(at, text.size());
  return out;
}

using Strings = std::vector<std::string>;

// Oniguruma's meaning, where PCRE2's differs.
TEST(Regex, OnigurumaSyntax) {
  struct {
    const char *pattern, *text;
    Strings want;
  } const rows[] = {
      {"\\h+", "gaf 09", {"af", "09"}},                // hexadecimal digits
      {"\\d{1,3}+", "1234567 12", {"1234567", "12"}},  // not possessive
      {"a{2}?", "aaaaa", {"aa", "aa", ""}},            // optional, not lazy
      {"a{,2}b", "aaab", {"aab"}},                     // zero to two
      {"a{", "a{", {"a{"}},                            // itself
      {"a**", "aaa", {"aaa"}},                         // a repeat of a repeat
      {"[^\\S]+", "ab  c", {"  "}},                    // a double negative
      {"[a-z&&[^aeiou]]+", "abcdefg", {"bcd", "fg"}},  // intersection
      {"[a[bc]]+", "abcd", {"abc"}},                   // nesting
      {"[^[a-m]n-z]+", "abXYz", {"XY"}},
      {"^b", "a\nb", {"b"}},  // every line
      {"a$", "a\nb", {"a"}},
      {"a.b", "a\nb", {}},
      {"(?m:a.b)", "a\nb", {"a\nb"}},  // dot matches newline
      {"\\v", "\v\n", {"\v"}},         // one vertical tab
      {"\\u0041+", "AAB", {"AA"}},
      {"\\s", "\u180E\u00A0", {"\u00A0"}},                    // U+180E is no white space
      {"\\w+", "e\u0301a-\u203Fb", {"e\u0301a", "\u203Fb"}},  // marks are word characters
      {"\\p{^L}+", "ab12", {"12"}},
      {"\\p{Letter}+", "ab12", {"ab"}},
      {"\\p{Han}+", "\u6F22\u3001\u5B57", {"\u6F22", "\u5B57"}},  // the script alone
      {"[[:punct:]]+", "a+-b", {"+-"}},
      {"(?i:'s)", "'S '\u017F", {"'S", "'\u017F"}},  // long s folds to s
      {"x*", "axb", {"", "x", ""}},                  // not empty right after a match
  };
  for (const auto& r : rows) EXPECT_EQ(Matches(r.pattern, r.text), r.want) << r.pattern;
}

TEST(Regex, NewCharactersHaveTheirCategory) {
  EXPECT_EQ(Matches("\\p{S}+", "a\U0001FA77\U0001F600b"), Strings{"\U0001FA77\U0001F600"});
  EXPECT_EQ(Matches("\\p{L}+", "\U00031350!"), Strings{"\U00031350"});
}

TEST(Regex, EmptyText) {
  const Result<Regex> regex = Regex::Compile("a");
  std::vector<Match> found;
  ASSERT_TRUE(RegexMatcher(*regex).Split("", found).ok());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].is_match);
}

TEST(Regex, RefusesWithAReason) {
  struct {
    std::string pattern, reason;
  } const rows[] = {
      {"(", "parenthes"},
      {"[a", "']'"},
      {"*a", "repeat * of nothing"},
      {"a\\", "backslash"},
      {"\\x{110000}", "\\x"},
      {"\\xC3", "byte escape"},
      {"\\q", "\\q"},
      {"(?~a)", "absence"},
      {"(?s:a)", "'s'"},
      {"\\p{NoSuchScript}", "unknown property"},
      {"(?<=a*)b", "lookbehind"},
      {std::string("a\xFF"), "not UTF-8"},
      {std::string(70'000, 'a'), "at most 65536"},
      {std::string(5'000, '('), "nested deeper"},
      {std::string(5'000, '['), "nested deeper"},
  };
  for (const auto& r : rows) {
    const Result<Regex> regex = Regex::Compile(r.pattern);
    ASSERT_FALSE(regex.ok()) << r.pattern;
    EXPECT_THAT(regex.status().message(), HasSubstr(r.reason));
    EXPECT_EQ(regex.status().message().find('\n'), std::string::npos);
  }
}

// Expressions that need more steps than the text has bytes many times over end with an error, not
// with the night: exponential ones, and those that read the rest of the text at each place.
TEST(Regex, HostileExpressionsEnd) {
  const std::string repeated = "(?:a|a)";
  std::string choices;
  for (int i = 0; i < 30; ++i) choices += repeated;
  const struct {
    std::string pattern;
    size_t n;
  } rows[] = {
      {"(a|aa)+$", 200},
      {"(a+)+b|a", 100'000},
      {"a(?=.*b)|a", 1'000'000},
      {"a(?=.*?b)|a", 1'000'000},
      {"a(?=.{0,60000}b)|a", 1'000'000},
      {".*.*b", 1'000'000},
      {"(?:.*.*.*b)|a", 100'000},
      {"a(?=(?:a{2})*b)|a", 1'000'000},
      {choices + "b|a", 1'000'000},
      {"(?=a+b)|a", 1'000'000},
  };
  for (const auto& r : rows) {
    const Result<Regex> regex = Regex::Compile(r.pattern);
    ASSERT_TRUE(regex.ok()) << regex.status().message();
    std::vector<Match> found;
    const Status s = RegexMatcher(*regex).Split(std::string(r.n, 'a') + "c", found);
    ASSERT_FALSE(s.ok()) << r.pattern;
    EXPECT_EQ(s.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(s.message(), HasSubstr(std::to_string(r.n + 1) + " bytes")) << r.pattern;
  }
}

// The budget is one for all texts of a matcher.
TEST(Regex, ManyTextsShareABudget) {
  const Result<Regex> regex = Regex::Compile("a(?=.*b)|a");
  ASSERT_TRUE(regex.ok());
  RegexMatcher matcher(*regex);
  const std::string text(1'000, 'a');
  size_t n = 0;
  for (Status s; s.ok() && n < 1000; ++n) {
    std::vector<Match> found;
    s = matcher.Split(text, found);
  }
  EXPECT_LT(n, 10u);
}

// Published expressions read long runs in a match, some of them twice.
TEST(Regex, LongRunsAreWithinTheBudget) {
  const std::string cl100k =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const std::string by_case =
      "[\\p{Lu}\\p{Lo}]*[\\p{Ll}\\p{Lo}]+|[\\p{Lu}\\p{Lo}]+[\\p{Ll}\\p{Lo}]*|\\s+";
  for (const std::string& pattern : {cl100k, by_case}) {
    for (const char* part :
         {" ", "\n", " \n", "a", "A", "ACGT", "7", "!", "\u6F22", "\u0E01", "A a"}) {
      std::string text;
      while (text.size() < 1'000'000) text += part;
      const std::vector<std::string> found = Matches(pattern, text + "x");
      ASSERT_FALSE(found.empty());
      EXPECT_THAT(found[0], testing::Not(HasSubstr("error"))) << pattern << " on " << part;
    }
  }
}

// Groups under a repeat use stack for every round; published expressions have some.
TEST(Regex, LongMatchesOfGroups) {
  const std::string word(300'000, 'x');
  EXPECT_EQ(Matches("(?:\\p{L}\\p{M}*)+", word), Strings{word});
}

TEST(Regex, TranslationLeavesPlainSyntaxAlone) {
  for (const char* same : {"(?i:'s|'t)|a+?b*+", " ?[a-z]", "(?=x)(?!y)(?<!z)", "(?<n>a)\\k<n>"}) {
    EXPECT_EQ(*TranslatePattern(same), same);
  }
}

}  // namespace
}  // namespace quarry::text
