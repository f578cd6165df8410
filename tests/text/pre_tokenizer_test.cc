#include "text/pre_tokenizer.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/json_support.h"

namespace quarry::text {
namespace {

using testing::HasSubstr;

// The five behaviours on the example in the library's documentation, and inverted.
TEST(PreTokenizer, SplitBehaviors) {
  struct {
    const char *behavior, *invert, *want;
  } const rows[] = {
      {"Removed", "false", "the|final|countdown"},
      {"Isolated", "false", "the|-|final|-|-|countdown"},
      {"MergedWithPrevious", "false", "the-|final-|-|countdown"},
      {"MergedWithNext", "false", "the|-final|-|-countdown"},
      {"Contiguous", "false", "the|-|final|--|countdown"},
      {"Removed", "true", "-|-|-"},
      {"Isolated", "true", "the|-|final|-|-|countdown"},
      {"MergedWithPrevious", "true", "the|-final|-|-countdown"},
      {"MergedWithNext", "true", "the-|final-|-|countdown"},
      {"Contiguous", "true", "the|-|final|--|countdown"},
  };
  for (const auto& r : rows) {
    for (const char* kind : {"String", "Regex"}) {
      const std::string json = std::string("{'type':'Split','pattern':{'") + kind +
                               "':'-'},'behavior':'" + r.behavior + "','invert':" + r.invert + "}";
      EXPECT_EQ(PiecesWith(json, "the-final--countdown"), r.want) << json;
    }
  }
}

TEST(PreTokenizer, Kinds) {
  struct {
    const char *json, *in, *want;
  } const rows[] = {
      {"{'type':'WhitespaceSplit'}", " a\u3000b\n c", "a|b|c"},
      {"{'type':'Whitespace'}", "don't x_y !?", "don|'|t|x_y|!?"},
      {"{'type':'BertPreTokenizer'}", "Hey, you!", "Hey|,|you|!"},
      {"{'type':'Punctuation'}", "Hey? no!!", "Hey|?| no|!|!"},
      {"{'type':'Punctuation','behavior':'Contiguous'}", "Hey? no!!", "Hey|?| no|!!"},
      {"{'type':'Digits','individual_digits':true}", "a12\u00BD", "a|1|2|\u00BD"},
      {"{'type':'Digits','individual_digits':false}", "a12b3", "a|12|b|3"},
      {"{'type':'CharDelimiterSplit','delimiter':'\u00E9'}", "a\u00E9b\u00E9", "a|b"},
      {"{'type':'FixedLength','length':2}", "ab\u00E9cd", "ab|\u00E9c|d"},
      {"{'type':'ByteLevel','add_prefix_space':false}", "Hi  you's", "Hi|\u0120|\u0120you|'s"},
      {"{'type':'ByteLevel','add_prefix_space':true}", "Hi", "\u0120Hi"},
      {"{'type':'ByteLevel','add_prefix_space':true}", " Hi", "\u0120Hi"},
      {"{'type':'ByteLevel','add_prefix_space':false,'use_regex':false}", "a b", "a\u0120b"},
      {"{'type':'Split','pattern':{'Regex':'x*'},'behavior':'Isolated'}", "axb", "a|x|b"},
      {"{'type':'Split','pattern':{'String':''},'behavior':'Isolated'}", "ab", "a|b"},
      {"{'type':'Sequence','pretokenizers':[{'type':'WhitespaceSplit'},{'type':'Digits',"
       "'individual_digits':true}]}",
       "a1 2", "a|1|2"},
  };
  for (const auto& r : rows) EXPECT_EQ(PiecesWith(r.json, r.in), r.want) << r.json;
}

// U+2581 is written as _ here to keep the table readable.
TEST(PreTokenizer, Metaspace) {
  struct {
    const char *fields, *in, *want;
  } const rows[] = {
      {"'prepend_scheme':'always','split':true", "Hey  you", "_Hey|_|_you"},
      {"'prepend_scheme':'always','split':true", " Hey", "_Hey"},
      {"'prepend_scheme':'always','split':false", "Hey you", "_Hey_you"},
      {"'prepend_scheme':'never','split':true", "Hey you", "Hey|_you"},
      {"'prepend_scheme':'first','split':true", "Hey you", "_Hey|_you"},
      {"'add_prefix_space':true", "Hey you", "_Hey|_you"},  // the older fields
      {"'add_prefix_space':false", "Hey you", "Hey|_you"},
  };
  for (const auto& r : rows) {
    const std::string json = std::string("{'type':'Metaspace','replacement':'_',") + r.fields + "}";
    EXPECT_EQ(PiecesWith(json, r.in), r.want) << r.fields;
  }
}

// "first" marks only what stands at the beginning of the text.
TEST(PreTokenizer, MetaspaceFirstLooksAtThePlaceInTheText) {
  const auto part = ParsePart("{'type':'Metaspace','replacement':'_','prepend_scheme':'first'}",
                              ParsePreTokenizer);
  PieceList list{"abc", {{0, 1, kNoToken, true}, {1, 2, 7, false}, {2, 3, kNoToken, false}}};
  ASSERT_TRUE((*part)->Apply(list).ok());
  ASSERT_EQ(list.pieces.size(), 3u);
  EXPECT_EQ(list.View(list.pieces[0]), "_a");
  EXPECT_EQ(list.pieces[1].token, 7);
  EXPECT_EQ(list.View(list.pieces[2]), "c");
}

TEST(PreTokenizer, RefusesWithAReason) {
  struct {
    const char *json, *reason;
  } const rows[] = {
      {"{'type':'UnicodeScripts'}", "the pre-tokenizer \"UnicodeScripts\""},
      {"{'type':'Split','pattern':{'String':'a'}}", "part.behavior is missing"},
      {"{'type':'Split','pattern':{'String':'a'},'behavior':'Odd'}", "\"Odd\", which is none"},
      {"{'type':'Split','pattern':{'String':'a'},'behavior':'Isolated','invert':1}",
       "part.invert is a number, must be a boolean"},
      {"{'type':'Metaspace','replacement':'__'}", "must be one character"},
      {"{'type':'Metaspace','replacement':''}", "must be one character"},
      {"{'type':'Metaspace','replacement':'_','prepend_scheme':'x'}", "always, first or never"},
      {"{'type':'Metaspace','replacement':'_','prepend_scheme':'first','add_prefix_space':false}",
       "add_prefix_space is false"},
      {"{'type':'FixedLength','length':0}", "at least 1"},
      {"{'type':'CharDelimiterSplit'}", "part.delimiter is missing"},
  };
  for (const auto& r : rows) EXPECT_THAT(PiecesWith(r.json, "x"), HasSubstr(r.reason)) << r.json;
}

}  // namespace
}  // namespace quarry::text
