#include "text/bpe.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/text/json_support.h"

namespace quarry::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<TokenId>;

constexpr const char* kVocab =
    "'vocab':{'a':0,'b':1,'c':2,'ab':3,'bc':4,'abc':5,'aa':6,'<unk>':7},";

TEST(Bpe, LeastRankFirstThenLeftmost) {
  const auto t = MakeTokenizer(std::string("{'type':'BPE',") + kVocab +
                               "'merges':['b c','a b','ab c','a a']}");
  EXPECT_THAT(Encode(t, "abc"), ElementsAre(0, 4));  // b c comes before a b
  EXPECT_THAT(Encode(t, "ab"), ElementsAre(3));
  EXPECT_THAT(Encode(t, "aaa"), ElementsAre(6, 0));  // the left pair
  EXPECT_THAT(Encode(t, ""), ElementsAre());
  EXPECT_THAT(Encode(t, "axb"), ElementsAre(3));  // x has no token: lost, and a meets b
}

TEST(Bpe, MergesAsPairsAndWithAVersionLine) {
  const auto t =
      MakeTokenizer(std::string("{'type':'BPE',") + kVocab + "'merges':['#version: 0.2','a b']}");
  EXPECT_THAT(Encode(t, "abc"), ElementsAre(3, 2));
  const auto pairs =
      MakeTokenizer(std::string("{'type':'BPE',") + kVocab + "'merges':[['a','b'],['ab','c']]}");
  EXPECT_THAT(Encode(pairs, "abc"), ElementsAre(5));
}

TEST(Bpe, IgnoreMergesTakesWholeTokens) {
  const auto t = MakeTokenizer(std::string("{'type':'BPE','ignore_merges':true,") + kVocab +
                               "'merges':['b c']}");
  EXPECT_THAT(Encode(t, "abc"), ElementsAre(5));
  EXPECT_THAT(Encode(t, "abca"), ElementsAre(0, 4, 0));
}

TEST(Bpe, UnknownCharacters) {
  const std::string head = std::string("{'type':'BPE','unk_token':'<unk>',") + kVocab;
  EXPECT_THAT(Encode(MakeTokenizer(head + "'merges':['a b']}"), "axyb"), ElementsAre(0, 7, 7, 1));
  EXPECT_THAT(Encode(MakeTokenizer(head + "'fuse_unk':true,'merges':['a b']}"), "axybz"),
              ElementsAre(0, 7, 1, 7));
}

TEST(Bpe, BytesForUnknownCharacters) {
  const std::string model =
      "{'type':'BPE','unk_token':'?','fuse_unk':true,'byte_fallback':true,"
      "'vocab':{'a':0,'<0xC3>':1,'<0xA9>':2,'?':3},'merges':[]}";
  EXPECT_THAT(Encode(MakeTokenizer(model), "a\u00E9"), ElementsAre(0, 1, 2));
  EXPECT_THAT(Encode(MakeTokenizer(model), "\u00E8a"), ElementsAre(3, 0));  // <0xA8> is missing
  // An unknown character waits for the next known one; bytes do not count as that.
  EXPECT_THAT(Encode(MakeTokenizer(model), "\u00E8\u00E9a"), ElementsAre(1, 2, 3, 0));
}

TEST(Bpe, PrefixAndSuffix) {
  const auto suffix = MakeTokenizer(
      "{'type':'BPE','end_of_word_suffix':'$','vocab':{'a':0,'b':1,'b$':2,'ab$':3,'a$':4},"
      "'merges':['a b$']}",
      "'pre_tokenizer':{'type':'WhitespaceSplit'},");
  EXPECT_THAT(Encode(suffix, "ab a"), ElementsAre(3, 4));
  const auto prefix = MakeTokenizer(
      "{'type':'BPE','continuing_subword_prefix':'##','vocab':{'a':0,'##a':1,'##b':2,'ab':3,"
      "'##ab':4},'merges':['a ##b','##a ##b']}");
  EXPECT_THAT(Encode(prefix, "abab"), ElementsAre(3, 4));
}

TEST(Bpe, RefusesWithAReason) {
  struct {
    const char *model, *reason;
  } const rows[] = {
      {"{'type':'BPE','vocab':{'a':0}}", "model.merges is missing"},
      {"{'type':'BPE','merges':[]}", "model.vocab is missing"},
      {"{'type':'BPE','vocab':['a'],'merges':[]}", "model.vocab is an array, must be an object"},
      {"{'type':'BPE','vocab':{'a':0},'merges':{}}", "model.merges is an object"},
      {"{'type':'BPE','vocab':{'a':0,'b':1},'merges':['a b']}",
       "model.merges[0]: \"ab\" is not in the vocabulary"},
      {"{'type':'BPE','vocab':{'a':0,'ab':1},'merges':['a b']}",
       "model.merges[0]: \"b\" is not in the vocabulary"},
      {"{'type':'BPE','vocab':{'a':0},'merges':['a']}", "model.merges[0]: must be two tokens"},
      {"{'type':'BPE','vocab':{'a':0},'merges':['a b c']}", "model.merges[0]: must be two tokens"},
      {"{'type':'BPE','vocab':{'a':0},'merges':[['a']]}", "model.merges[0]: must be two tokens"},
      {"{'type':'BPE','vocab':{'a':0},'merges':[7]}", "model.merges[0]: must be two tokens"},
      {"{'type':'BPE','vocab':{'a':0,'b':0},'merges':[]}", "id 0 belongs to \"a\" and to \"b\""},
      {"{'type':'BPE','vocab':{'a':-1},'merges':[]}", "has id -1"},
      {"{'type':'BPE','vocab':{'a':4294967296},'merges':[]}", "has id 4294967296"},
      {"{'type':'BPE','vocab':{'a':1.5},'merges':[]}", "no whole number for \"a\""},
      {"{'type':'BPE','vocab':{'a':'0'},'merges':[]}", "no whole number for \"a\""},
      {"{'type':'BPE','vocab':{'a':0},'merges':[],'dropout':0.1}", "dropout is 0.1"},
      {"{'type':'BPE','vocab':{'a':0},'merges':[],'fuse_unk':'x'}", "model.fuse_unk is a string"},
      {"{'type':'Bpe','vocab':{'a':0},'merges':[]}", "the model type \"Bpe\""},
  };
  for (const auto& r : rows) {
    const auto t = MakeTokenizer(r.model);
    ASSERT_FALSE(t.ok()) << r.model;
    EXPECT_THAT(t.status().message(), HasSubstr(r.reason)) << r.model;
  }
  // An unk_token that is no token is found out when it is needed: files have it without need.
  const auto t = MakeTokenizer("{'type':'BPE','vocab':{'a':0},'merges':[],'unk_token':'?'}");
  ASSERT_TRUE(t.ok());
  EXPECT_THAT(*t->Encode("a"), ElementsAre(0));
  EXPECT_THAT(t->Encode("b").status().message(), HasSubstr("unk_token \"?\""));
}

// Straight from the definition: again and again the best pair of the whole sequence.
Ids MergeSlowly(const std::string& text, const Vocabulary& vocabulary,
                const std::vector<Merge>& merges) {
  Ids ids;
  for (const char c : text) ids.push_back(vocabulary.Find(std::string(1, c)));
  for (;;) {
    const Merge* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      for (const Merge& m : merges) {
        if (m.left != ids[i] || m.right != ids[i + 1]) continue;
        if (best == nullptr || m.rank < best->rank) {
          best = &m;
          at = i;
        }
      }
    }
    if (best == nullptr) return ids;
    ids[at] = best->result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

// The short cuts (whole tokens, cutting where no token spans, few and many symbols) change nothing.
TEST(Bpe, EqualsTheDefinitionOnRandomVocabularies) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    const size_t letters = 2 + rng.Below(6);
    Vocabulary vocabulary;
    std::vector<std::string> tokens;
    std::vector<Merge> merges;
    for (size_t i = 0; i < letters; ++i) {
      tokens.emplace_back(1, static_cast<char>('a' + i));
      ASSERT_TRUE(vocabulary.Add(tokens.back(), static_cast<int64_t>(i)).ok());
    }
    for (size_t tries = 4 + rng.Below(60); tries > 0; --tries) {
      const std::string a = tokens[rng.Below(tokens.size())], b = tokens[rng.Below(tokens.size())];
      if (a.size() + b.size() > 12) continue;
      if (vocabulary.Find(a + b) < 0) {
        tokens.push_back(a + b);
        ASSERT_TRUE(vocabulary.Add(a + b, static_cast<int64_t>(tokens.size()) - 1).ok());
      }
      const TokenId left = vocabulary.Find(a), right = vocabulary.Find(b);
      bool known = false;
      for (const Merge& m : merges) known |= m.left == left && m.right == right;
      // Some merges share a rank, as those of SentencePiece do: then the leftmost pair comes first.
      const auto rank = static_cast<uint32_t>(merges.size() - rng.Below(2) * (merges.size() % 2));
      if (!known) merges.push_back({left, right, vocabulary.Find(a + b), rank});
    }
    const Vocabulary copy = vocabulary;
    const auto model = BpeModel::Create(std::move(vocabulary), merges, {});
    ASSERT_TRUE(model.ok()) << model.status().message();
    const auto encoder = (*model)->NewEncoder(nullptr);
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (size_t n = 1 + rng.Below(i < 50 ? 30 : 200); n > 0; --n) {
        text += static_cast<char>('a' + rng.Below(letters));
      }
      Ids ids;
      ASSERT_TRUE(encoder->Encode(text, ids).ok());
      ASSERT_EQ(ids, MergeSlowly(text, copy, merges)) << "seed " << seed << ": " << text;
    }
  }
}

// A prefix becomes byte tokens before every unknown character.
TEST(Bpe, RefusesLongAffixes) {
  const std::string long_one(33, 'q'), longest(32, 'q');
  for (const std::string key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string rest = "','vocab':{'a':0},'merges':[]}";
    EXPECT_TRUE(MakeTokenizer("{'type':'BPE','" + key + "':'" + longest + rest).ok());
    EXPECT_THAT(
        MakeTokenizer("{'type':'BPE','" + key + "':'" + long_one + rest).status().message(),
        HasSubstr("model." + key + " is \"qqqqqqqqqqqqqqqqqqqq...\" of 33 bytes, at most 32"));
  }
}

// A megabyte of one letter, with merges that chain: minutes if merging were quadratic.
TEST(Bpe, OneLetterAMillionTimes) {
  const auto t = MakeTokenizer(
      "{'type':'BPE','vocab':{'a':0,'aa':1,'aaaa':2,'aaaaaaaa':3},"
      "'merges':['a a','aa aa','aaaa aaaa']}");
  const Ids ids = Encode(t, std::string(1'000'001, 'a'));
  EXPECT_EQ(ids.size(), 125'001u);
  EXPECT_EQ(ids.back(), 0);
}

}  // namespace
}  // namespace quarry::text
