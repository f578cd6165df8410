#include "text/added_tokens.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/json_support.h"

namespace quarry::text {
namespace {

using testing::HasSubstr;

AddedToken Token(std::string content, TokenId id) {
  AddedToken t;
  t.content = std::move(content);
  t.id = id;
  return t;
}

// The text cut by the tokens: pieces joined by '|', tokens as <id>.
std::string Cut(const std::vector<AddedToken>& tokens, const std::string& text,
                bool parse_special = true) {
  const Result<AddedVocabulary> v = AddedVocabulary::Create(tokens, nullptr);
  if (!v.ok()) return "error: " + v.status().message();
  std::vector<Piece> pieces;
  v->Split(text, /*normalized=*/false, parse_special, pieces);
  std::string out;
  for (const Piece& p : pieces) {
    if (!out.empty()) out += '|';
    out += p.token == kNoToken ? text.substr(p.begin, p.end - p.begin)
                               : "<" + std::to_string(p.token) + ">";
  }
  return out;
}

TEST(AddedTokens, LeftmostLongest) {
  const std::vector<AddedToken> tokens = {Token("<a>", 1), Token("<a>b", 2), Token("a", 3)};
  EXPECT_EQ(Cut(tokens, "x<a>y"), "x|<1>|y");
  EXPECT_EQ(Cut(tokens, "x<a>by"), "x|<2>|y");
  EXPECT_EQ(Cut(tokens, "a<ab"), "<3>|<|<3>|b");
  EXPECT_EQ(Cut(tokens, ""), "");
  EXPECT_EQ(Cut(tokens, "none"), "none");
}

TEST(AddedTokens, SingleWord) {
  AddedToken word = Token("word", 1);
  word.single_word = true;
  EXPECT_EQ(Cut({word}, "word sword words (word) w\u00E9word \u4E2Dword"),
            "<1>| sword words (|<1>|) w\u00E9word \u4E2Dword");
  // A shorter token inside one that is no single word is not looked for.
  EXPECT_EQ(Cut({word, Token("or", 2)}, "words or"), "words |<2>");
}

TEST(AddedTokens, StripsBlanksAround) {
  AddedToken left = Token("<l>", 1), right = Token("<r>", 2);
  left.lstrip = true;
  right.rstrip = true;
  EXPECT_EQ(Cut({left, right}, "a \u3000<l> b"), "a|<1>| b");
  EXPECT_EQ(Cut({left, right}, "a <r> \n b"), "a |<2>|b");
  EXPECT_EQ(Cut({left, right}, "a<r>  <l>b"), "a|<2>|<1>|b");
  // A token that is nothing but blanks, taken along by the one before.
  EXPECT_EQ(Cut({right, Token("  ", 3)}, "a<r>  b"), "a|<2>|b");
  EXPECT_EQ(Cut({right, Token(" b", 3)}, "a<r>  b"), "a|<2>|<3>");
}

// Blanks are counted once, however many tokens claim them: this would take hours otherwise.
TEST(AddedTokens, BlanksAmongBlanksTakeLinearTime) {
  AddedToken left = Token("  ", 1), right = Token("  ", 1);
  left.lstrip = true;
  right.rstrip = true;
  const std::string blanks(4'000'000, ' ');
  EXPECT_EQ(Cut({right}, "a" + blanks + "b"), "a|<1>|b");
  EXPECT_EQ(Cut({left}, blanks).size(), 4 * size_t{2'000'000} - 1);
}

TEST(AddedTokens, LongOnesAreRefused) {
  EXPECT_EQ(Cut({Token(std::string(1024, 'a'), 1)}, "b"), "b");
  EXPECT_THAT(Cut({Token(std::string(1025, 'a'), 1)}, "b"), HasSubstr("1025 bytes, at most 1024"));
  const PrependNormalizer prepend(std::string(1000, 'y'));
  AddedToken token = Token(std::string(25, 'a'), 1);
  token.normalized = true;
  EXPECT_THAT(AddedVocabulary::Create({token}, &prepend).status().message(),
              HasSubstr("normalised, it has 1025 bytes, at most 1024"));
  std::vector<AddedToken> many;
  for (TokenId id = 0; id < 5000; ++id) {
    many.push_back(Token(std::to_string(id), id));
    many.back().normalized = true;
  }
  EXPECT_THAT(AddedVocabulary::Create(many, &prepend).status().message(),
              HasSubstr("bytes, at most 4194304"));
}

TEST(AddedTokens, SpecialOnesOnlyWhenAsked) {
  AddedToken special = Token("<s>", 1);
  special.special = true;
  const std::vector<AddedToken> tokens = {special, Token("<s", 2)};
  EXPECT_EQ(Cut(tokens, "a<s>b", true), "a|<1>|b");
  EXPECT_EQ(Cut(tokens, "a<s>b", false), "a|<2>|>b");
}

TEST(AddedTokens, NormalizedOnesAreFoundInNormalizedText) {
  const LowercaseNormalizer lowercase;
  AddedToken token = Token("ABC", 1);
  token.normalized = true;
  token.special = true;
  const Result<AddedVocabulary> v = AddedVocabulary::Create({token, Token("X", 2)}, &lowercase);
  ASSERT_TRUE(v.ok());
  std::vector<Piece> pieces;
  v->Split("abcX", /*normalized=*/true, true, pieces);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].token, 1);
  pieces.clear();
  v->Split("ABCX", /*normalized=*/false, true, pieces);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].token, 2);
  // Decoded as it is written after normalisation, and then no longer the special token's content.
  EXPECT_EQ(v->Text(1), "abc");
  EXPECT_TRUE(v->specials().Contains(1));
  EXPECT_FALSE(v->skipped().Contains(1));
}

TEST(AddedTokens, RepeatsAndClashes) {
  AddedToken first = Token("a", 1), again = Token("a", 9);
  first.special = true;
  again.rstrip = true;
  const Result<AddedVocabulary> v = AddedVocabulary::Create({first, again}, nullptr);
  ASSERT_TRUE(v.ok());
  ASSERT_EQ(v->tokens().size(), 1u);
  EXPECT_EQ(v->tokens()[0].id, 1);
  EXPECT_TRUE(v->tokens()[0].rstrip);
  EXPECT_TRUE(v->tokens()[0].special);
  EXPECT_THAT(Cut({Token("a", 1), Token("b", 1)}, ""), HasSubstr("\"a\" and \"b\" both have id 1"));
}

// Ids come from the vocabulary, or count on from its end; the file's are only checked.
TEST(AddedTokens, IdsInFiles) {
  const std::string model = "{'type':'WordLevel','vocab':{'?':0,'in':1},'unk_token':'?'}";
  const auto t = MakeTokenizer(
      model,
      "'added_tokens':[{'id':5,'content':'x'},{'id':7,'content':'in'},{'id':9,'content':'y'}],");
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->TokenToId("x"), 2);
  EXPECT_EQ(t->TokenToId("in"), 1);
  EXPECT_EQ(t->TokenToId("y"), 3);
  EXPECT_EQ(t->vocab_size(), 4u);

  struct {
    const char *tokens, *reason;
  } const rows[] = {
      {"[{'id':2,'content':'x'},{'id':2,'content':'y'}]",
       "added_tokens[1].id is 2, which \"x\" has"},
      {"[{'id':-1,'content':'x'}]", "added_tokens[0].id is -1"},
      {"[{'id':99999999999,'content':'x'}]", "added_tokens[0].id is 99999999999"},
      {"[{'id':'2','content':'x'}]", "added_tokens[0].id is a string"},
      {"[{'id':2}]", "added_tokens[0].content is missing"},
      {"[{'content':'x'}]", "added_tokens[0].id is missing"},
      {"[{'id':2,'content':'x','special':'no'}]", "added_tokens[0].special is a string"},
      {"[7]", "added_tokens[0]: is a number"},
      {"{}", "added_tokens is an object, must be an array"},
  };
  for (const auto& r : rows) {
    const auto bad = MakeTokenizer(model, std::string("'added_tokens':") + r.tokens + ",");
    ASSERT_FALSE(bad.ok()) << r.tokens;
    EXPECT_THAT(bad.status().message(), HasSubstr(r.reason));
  }
}

}  // namespace
}  // namespace quarry::text
