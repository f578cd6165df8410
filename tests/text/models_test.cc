// Unigram, WordPiece and WordLevel, and the tables below the models.

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/text/json_support.h"
#include "text/prefix_trie.h"
#include "text/unigram.h"
#include "text/vocabulary.h"

namespace quarry::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<TokenId>;

TEST(Unigram, TakesTheBestSegmentation) {
  const auto t = MakeTokenizer(
      "{'type':'Unigram','unk_id':0,'vocab':[['?',0],['a',-1],['b',-1],['c',-1],['d',-1],"
      "['cd',-0.5],['ab',-1.5],['abc',-1.2],['abcd',-9]]}");
  EXPECT_THAT(Encode(t, "abcd"), ElementsAre(6, 5));     // ab cd: -2.0; abc d: -2.2
  EXPECT_THAT(Encode(t, "abc"), ElementsAre(7));         // -1.2
  EXPECT_THAT(Encode(t, "axyb"), ElementsAre(1, 0, 2));  // a run of unknowns is one
  EXPECT_THAT(Encode(t, "\u00E9"), ElementsAre(0));
}

TEST(Unigram, BytesForUnknownCharacters) {
  const std::string model =
      "{'type':'Unigram','unk_id':0,'byte_fallback':true,'vocab':[['?',0],['a',-1],['<0xC3>',-9],"
      "['<0xA9>',-9]]}";
  EXPECT_THAT(Encode(MakeTokenizer(model), "a\u00E9a"), ElementsAre(1, 2, 3, 1));
  EXPECT_THAT(Encode(MakeTokenizer(model), "\u00E9\u00E8"), ElementsAre(0));  // <0xA8> is missing
}

TEST(Unigram, NeedsAnUnknownTokenForUnknownCharacters) {
  const auto t = MakeTokenizer("{'type':'Unigram','unk_id':null,'vocab':[['a',-1]]}");
  EXPECT_THAT(Encode(t, "aa"), ElementsAre(0, 0));
  EXPECT_THAT(t->Encode("a\nb").status().message(), HasSubstr("the text holds \"\\n\""));
}

// The Viterbi search against all segmentations.
TEST(Unigram, EqualsExhaustiveSearch) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Rng rng(seed);
    Vocabulary vocabulary;
    std::vector<double> scores;
    std::vector<std::string> tokens = {"a", "b", "c"};
    for (int i = 0; i < 12; ++i) {
      std::string token;
      for (uint64_t n = 2 + rng.Below(3); n > 0; --n)
        token += static_cast<char>('a' + rng.Below(3));
      if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
    }
    for (size_t i = 0; i < tokens.size(); ++i) {
      ASSERT_TRUE(vocabulary.Add(tokens[i], static_cast<int64_t>(i)).ok());
      scores.push_back(-1 - 8 * rng.Uniform());
    }
    const auto model = UnigramModel::Create(vocabulary, scores, {});
    ASSERT_TRUE(model.ok());
    const auto encoder = (*model)->NewEncoder(nullptr);
    for (int k = 0; k < 20; ++k) {
      std::string text;
      for (uint64_t n = 1 + rng.Below(12); n > 0; --n)
        text += static_cast<char>('a' + rng.Below(3));
      // The best total of every prefix.
      std::vector<double> best(text.size() + 1, -1e9);
      best[0] = 0;
      for (size_t end = 1; end <= text.size(); ++end) {
        for (size_t begin = 0; begin < end; ++begin) {
          const TokenId id = vocabulary.Find(text.substr(begin, end - begin));
          if (id >= 0)
            best[end] = std::max(best[end], best[begin] + scores[static_cast<size_t>(id)]);
        }
      }
      Ids ids;
      ASSERT_TRUE(encoder->Encode(text, ids).ok());
      double total = 0;
      std::string joined;
      for (const TokenId id : ids) {
        total += scores[static_cast<size_t>(id)];
        joined += vocabulary.Text(id);
      }
      ASSERT_EQ(joined, text);
      ASSERT_NEAR(total, best.back(), 1e-12) << "seed " << seed << ": " << text;
    }
  }
}

TEST(Unigram, RefusesWithAReason) {
  struct {
    const char *model, *reason;
  } const rows[] = {
      {"{'type':'Unigram','vocab':{}}", "model.vocab is an object, must be an array"},
      {"{'type':'Unigram','vocab':[['a']]}", "a token and its score at 0"},
      {"{'type':'Unigram','vocab':[['a',0],[1,2]]}", "a token and its score at 1"},
      {"{'type':'Unigram','vocab':[['a',0]],'unk_id':1}", "model.unk_id is 1, there are 1"},
      {"{'type':'Unigram','vocab':[['a',0]],'unk_id':-1}", "model.unk_id is -1"},
      {"{'type':'Unigram','vocab':[['a',0]],'unk_id':'a'}", "model.unk_id is a string"},
  };
  for (const auto& r : rows) {
    const auto t = MakeTokenizer(r.model);
    ASSERT_FALSE(t.ok()) << r.model;
    EXPECT_THAT(t.status().message(), HasSubstr(r.reason));
  }
}

TEST(WordPiece, LongestMatchFirst) {
  const auto t = MakeTokenizer(
      "{'type':'WordPiece','unk_token':'?','max_input_chars_per_word':6,'vocab':{'?':0,'un':1,"
      "'##aff':2,'##able':3,'##a':4,'\u00E9':5,'##\u00E9':6}}");
  EXPECT_THAT(Encode(t, "unable"), ElementsAre(1, 3));
  EXPECT_THAT(Encode(t, "unaff"), ElementsAre(1, 2));
  EXPECT_THAT(Encode(t, "unx"), ElementsAre(0));        // all or nothing
  EXPECT_THAT(Encode(t, "unaffable"), ElementsAre(0));  // too long
  EXPECT_THAT(Encode(t, "\u00E9\u00E9"), ElementsAre(5, 6));
  EXPECT_THAT(MakeTokenizer("{'type':'WordPiece','vocab':{'a':0}}").status().message(),
              HasSubstr("unk_token \"[UNK]\" is not in the vocabulary"));
}

// No length is tried twice at a place: this would take hours otherwise.
TEST(WordPiece, LongWordsTakeLinearTime) {
  const auto t = MakeTokenizer(
      "{'type':'WordPiece','unk_token':'?','max_input_chars_per_word':9223372036854775807,"
      "'vocab':{'?':0,'a':1,'##a':2,'" +
      std::string(1024, 'b') + "':3}}");
  EXPECT_EQ(Encode(t, std::string(2'000'000, 'a')).size(), 2'000'000u);
}

TEST(Models, RefuseLongTokensThatAreSearchedFor) {
  const std::string token(1025, 'a');
  const std::string models[] = {
      "{'type':'WordPiece','unk_token':'?','vocab':{'?':0,'" + token + "':1}}",
      "{'type':'Unigram','vocab':[['?',0],['" + token + "',0]]}"};
  for (const std::string& model : models) {
    EXPECT_THAT(MakeTokenizer(model).status().message(),
                HasSubstr("token 1 has 1025 bytes, at most 1024"));
  }
}

TEST(WordLevel, WholePiecesOnly) {
  const auto t = MakeTokenizer("{'type':'WordLevel','unk_token':'?','vocab':{'?':3,'ab':5}}");
  EXPECT_THAT(Encode(t, "ab"), ElementsAre(5));
  EXPECT_THAT(Encode(t, "abc"), ElementsAre(3));
  const auto no_unk = MakeTokenizer("{'type':'WordLevel','unk_token':'?','vocab':{'ab':5}}");
  EXPECT_THAT(no_unk->Encode("x").status().message(), HasSubstr("no unknown token"));
}

TEST(Vocabulary, FindsWhatWasAdded) {
  Vocabulary v;
  EXPECT_EQ(v.Find("a"), Vocabulary::kNone);
  Rng rng(3);
  std::map<std::string, TokenId> want;
  for (TokenId id = 0; id < 3000; id += 3) {
    std::string text;
    for (uint64_t n = rng.Below(40); n > 0; --n) text += static_cast<char>(rng.Below(256));
    if (want.contains(text)) continue;
    ASSERT_TRUE(v.Add(text, id).ok());
    want[text] = id;
  }
  for (const auto& [text, id] : want) {
    ASSERT_EQ(v.Find(text), id);
    ASSERT_EQ(v.Text(id), text);
    ASSERT_FALSE(v.Contains(id + 1));
  }
  EXPECT_EQ(v.size(), want.size());
  EXPECT_EQ(v.id_limit(), 2998u);
  EXPECT_FALSE(v.Add("other", 0).ok());
  EXPECT_FALSE(v.Add("far", kMaxTokenIds).ok());
  EXPECT_FALSE(v.Contains(-1));
  EXPECT_FALSE(v.Contains(1 << 30));
}

// The second eight bytes of these texts could make a factor of a known hash zero, and all one
// chain.
TEST(Vocabulary, TextsCannotBeChosenToCollide) {
  constexpr uint64_t kFactor = 0xe7037ed1a0b428dbu;
  std::string text(32, 'x');
  std::memcpy(text.data() + 8, &kFactor, 8);
  Vocabulary v;
  constexpr TokenId kTexts = 200'000;
  for (TokenId id = 0; id < kTexts; ++id) {
    std::memcpy(text.data(), &id, sizeof id);
    ASSERT_TRUE(v.Add(text, id).ok());
  }
  for (TokenId id = 0; id < kTexts; ++id) {
    std::memcpy(text.data(), &id, sizeof id);
    ASSERT_EQ(v.Find(text), id);
  }
}

TEST(PrefixTrie, FindsAllPrefixes) {
  PrefixTrie trie;
  EXPECT_TRUE(trie.empty());
  trie.Insert("a", 1);
  trie.Insert("abc", 2);
  trie.Insert("abc", 3);  // the first value stays
  trie.Insert("abcdef", 4);
  trie.Insert("abcdef", 5, /*replace=*/true);
  std::vector<std::pair<size_t, int>> found;
  trie.Prefixes("abcdz", [&](size_t length, int value) { found.emplace_back(length, value); });
  EXPECT_THAT(found, ElementsAre(std::pair(size_t{1}, 1), std::pair(size_t{3}, 2)));
  EXPECT_EQ(trie.Longest("abcdefg").value, 5);
  EXPECT_EQ(trie.Longest("b").length, 0u);
  EXPECT_EQ(trie.Longest("").length, 0u);
  EXPECT_TRUE(trie.CanBegin('a'));
  EXPECT_FALSE(trie.CanBegin('b'));
}

}  // namespace
}  // namespace quarry::text
