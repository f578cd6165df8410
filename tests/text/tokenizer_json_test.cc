// Whole tokenizer.json and tokenizer_config.json files, good and bad.

#include "text/tokenizer_json.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gzip.h"
#include "tests/support/paths.h"
#include "tests/text/json_support.h"

namespace quarry::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kModel = "{'type':'WordLevel','vocab':{'?':0,'a':1,'b':2},'unk_token':'?'}";
constexpr const char* kWords = "'pre_tokenizer':{'type':'WhitespaceSplit'},";

TEST(TokenizerJson, PostProcessors) {
  struct {
    const char* json;
    std::vector<TokenId> plain, special;
  } const rows[] = {
      {"null", {1}, {1}},
      {"{'type':'ByteLevel'}", {1}, {1}},
      {"{'type':'BertProcessing','cls':['a',8],'sep':['b',9]}", {1}, {8, 1, 9}},
      {"{'type':'RobertaProcessing','cls':['a',8],'sep':['b',9]}", {1}, {8, 1, 9}},
      {"{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}},{'Sequence':{'id':'A'}},"
       "{'SpecialToken':{'id':'x'}}],'special_tokens':{'x':{'ids':[7,6]}}}",
       {1},
       {7, 6, 1, 7, 6}},
      {"{'type':'Sequence','processors':[{'type':'ByteLevel'},{'type':'BertProcessing','cls':['a',"
       "8],"
       "'sep':['b',9]}]}",
       {1},
       {8, 1, 9}},
      {"{'type':'Sequence','processors':[{'type':'ByteLevel'}]}", {1}, {1}},
  };
  for (const auto& r : rows) {
    const auto t = MakeTokenizer(kModel, std::string("'post_processor':") + r.json + ",");
    ASSERT_TRUE(t.ok()) << t.status().message();
    EXPECT_EQ(*t->Encode("a", {.add_special_tokens = false}), r.plain) << r.json;
    EXPECT_EQ(*t->Encode("a"), r.special) << r.json;
  }
}

TEST(TokenizerJson, RefusesPostProcessorsWithAReason) {
  struct {
    const char *json, *reason;
  } const rows[] = {
      {"{'type':'X'}", "the post-processor \"X\""},
      {"{'type':'BertProcessing','cls':['a',8]}", "post_processor.sep is missing"},
      {"{'type':'BertProcessing','cls':['a'],'sep':['b',9]}", "a token and its id"},
      {"{'type':'BertProcessing','cls':['a',-8],'sep':['b',9]}", "has id -8"},
      {"{'type':'TemplateProcessing'}", "post_processor.single is missing or empty"},
      // A thousand of them made a prompt a thousand times as long.
      {"{'type':'TemplateProcessing','single':[{'Sequence':{'id':'A'}},{'Sequence':{'id':'A'}}]}",
       "post_processor.single has 2 places for the text, must be 1"},
      {"{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}}],'special_tokens':{'x':"
       "{'ids':[7]}}}",
       "post_processor.single has 0 places for the text"},
      {"{'type':'TemplateProcessing','single':[{}]}", "\"SpecialToken\" or \"Sequence\""},
      {"{'type':'TemplateProcessing','single':[{'Sequence':{'id':'B'}}]}",
       "is \"B\", must be \"A\""},
      {"{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}}]}", "lacks \"x\""},
      {"{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}}],'special_tokens':{'x':"
       "{'ids':['7']}}}",
       "must be whole numbers"},
      {"{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}}],'special_tokens':{'x':"
       "{'ids':[99999999]}}}",
       "has id 99999999"},
      {"{'type':'Sequence','processors':[{'type':'BertProcessing','cls':['a',8],'sep':['b',9]},"
       "{'type':'BertProcessing','cls':['a',8],'sep':['b',9]}]}",
       "2 templates in one sequence"},
  };
  for (const auto& r : rows) {
    const auto t = MakeTokenizer(kModel, std::string("'post_processor':") + r.json + ",");
    ASSERT_FALSE(t.ok()) << r.json;
    EXPECT_THAT(t.status().message(), HasSubstr(r.reason)) << r.json;
  }
}

TEST(TokenizerJson, NoDecoderPutsBlanksBetweenTokens) {
  const auto t = MakeTokenizer(kModel, kWords);
  EXPECT_EQ(*t->Decode(std::vector<TokenId>{1, 2, 1}), "a b a");
}

TEST(TokenizerJson, RefusesBrokenFilesWithAReason) {
  struct {
    const char *json, *reason;
  } const rows[] = {
      {"", "not valid JSON"},
      {"[]", "not an object"},
      {"{}", "model is missing"},
      {"{'model':null}", "model is missing"},
      {"{'model':[]}", "model: is an array, must be an object"},
      {"{'model':{}}", "is missing"},
      {"{'model':{'type':'BPE'", "not valid JSON"},
      {"{'model':{'type':'BPE','vocab':{'a\xFF':0},'merges':[]}}", "not valid JSON"},
      {"{'model':{'type':'BPE','vocab':{'\\ud800':0},'merges':[]}}", "not valid JSON"},
      {"{'normalizer':[],'model':{'type':'BPE','vocab':{},'merges':[]}}",
       "normalizer: is an array"},
  };
  for (const auto& r : rows) {
    const auto t = Tokenizer::FromJson(Quotes(r.json));
    ASSERT_FALSE(t.ok()) << r.json;
    EXPECT_THAT(t.status().message(), HasSubstr(r.reason)) << r.json;
    EXPECT_THAT(t.status().message(), testing::StartsWith("tokenizer.json: "));
    EXPECT_EQ(t.status().message().find('\n'), std::string::npos);
  }
  const std::string deep(1000, '[');
  EXPECT_FALSE(Tokenizer::FromJson(deep + std::string(1000, ']')).ok());
}

// Every prefix of a good file is refused, and nothing else happens.
TEST(TokenizerJson, RefusesTruncatedFiles) {
  const auto json = ReadMaybeGzip(GoldenInTree("tokenizers/bpe_flags/tokenizer.json"));
  ASSERT_TRUE(json);
  for (size_t n = 0; n + 2 < json->size(); n += 1 + n / 40) {
    ASSERT_FALSE(Tokenizer::FromJson(json->substr(0, n)).ok()) << n;
  }
}

TEST(TokenizerConfig, TellsBeginAndEnd) {
  const std::string json = Quotes(std::string("{'model':") + kModel + "}");
  const auto with = [&](const char* config) { return Tokenizer::FromJson(json, Quotes(config)); };
  const auto strings = with("{'bos_token':'a','eos_token':'b'}");
  EXPECT_EQ(strings->bos_id(), 1);
  EXPECT_EQ(strings->eos_id(), 2);
  const auto objects = with("{'bos_token':{'content':'a','lstrip':false},'eos_token':null}");
  EXPECT_EQ(objects->bos_id(), 1);
  EXPECT_FALSE(objects->eos_id());
  EXPECT_FALSE(with("{'bos_token':'nowhere'}")->bos_id());
  EXPECT_FALSE(with("{}")->bos_id());
  for (const char* bad : {"{'bos_token':7}", "{'bos_token':{}}", "[]", "{", "{'add_bos_token':'x'}",
                          "{'added_tokens_decoder':[]}", "{'added_tokens_decoder':1}",
                          "{'added_tokens_decoder':{'x':{'content':'a'}}}",
                          "{'added_tokens_decoder':{'-1':{'content':'a'}}}"}) {
    const auto t = with(bad);
    ASSERT_FALSE(t.ok()) << bad;
    EXPECT_THAT(t.status().message(), testing::StartsWith("tokenizer_config.json: "));
  }
}

}  // namespace
}  // namespace quarry::text
