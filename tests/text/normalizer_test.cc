#include "text/normalizer.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/json_support.h"

namespace quarry::text {
namespace {

using testing::HasSubstr;

TEST(Normalizer, Kinds) {
  struct {
    const char *json, *in, *want;
  } const rows[] = {
      {"{'type':'NFC'}", "e\u0301", "\u00E9"},
      {"{'type':'NFKC'}", "\uFB01\u3000x", "fi x"},
      {"{'type':'Lowercase'}", "ABC \u00C9 \u0130", "abc \u00E9 i\u0307"},
      {"{'type':'Strip','strip_left':true,'strip_right':true}", " \u3000 a b\n\u00A0", "a b"},
      {"{'type':'Strip','strip_left':false,'strip_right':true}", " a ", " a"},
      {"{'type':'Strip','strip_left':true,'strip_right':true}", " \n ", ""},
      {"{'type':'StripAccents'}", "e\u0301\u0903", "e"},
      {"{'type':'Prepend','prepend':'_'}", "x", "_x"},
      {"{'type':'Prepend','prepend':'_'}", "", ""},
      {"{'type':'Replace','pattern':{'String':'aa'},'content':'b'}", "aaaaa", "bba"},
      {"{'type':'Replace','pattern':{'Regex':'\\\\s+'},'content':'_'}", "a \n b", "a_b"},
      {"{'type':'Replace','pattern':{'Regex':'x*'},'content':'-'}", "axb", "-a-b-"},
      {"{'type':'Replace','pattern':{'String':''},'content':'-'}", "ab", "-a-b-"},
      {"{'type':'ByteLevel'}", " \u00E9\n", "\u0120\u00C3\u00A9\u010A"},
      {"{'type':'Nmt'}", "a\x01\tb\u200Bc", "a b c"},
      {"{'type':'BertNormalizer','strip_accents':null,'lowercase':true}", "\u00C9\x02\u4E2D\tx",
       "e \u4E2D  x"},
      {"{'type':'BertNormalizer','strip_accents':false,'lowercase':false,"
       "'handle_chinese_chars':false}",
       "\u00C9\u4E2D", "\u00C9\u4E2D"},
      {"{'type':'Sequence','normalizers':[{'type':'Lowercase'},{'type':'Replace','pattern':"
       "{'String':'a'},'content':'A'}]}",
       "ABa", "AbA"},
      {"{'type':'Sequence','normalizers':[]}", "x", "x"},
  };
  for (const auto& r : rows) EXPECT_EQ(NormalizeWith(r.json, r.in), r.want) << r.json;
}

// Whether what a text began with is still there: Metaspace's "first" asks.
TEST(Normalizer, TellsWhetherTheBeginningIsLeft) {
  struct {
    const char *json, *in;
    bool want;
  } const rows[] = {
      {"{'type':'Strip','strip_left':true,'strip_right':true}", "x ", true},
      {"{'type':'Strip','strip_left':true,'strip_right':true}", " x", false},
      {"{'type':'Replace','pattern':{'String':'q'},'content':''}", "qx", false},
      {"{'type':'Replace','pattern':{'String':'q'},'content':''}", "xq", true},
      {"{'type':'Replace','pattern':{'String':'q'},'content':'y'}", "qx", true},
      {"{'type':'StripAccents'}", "\u0301x", false},
      {"{'type':'Prepend','prepend':'_'}", "x", true},
  };
  for (const auto& r : rows) {
    const auto part = ParsePart(r.json, ParseNormalizer);
    ASSERT_TRUE(part.ok()) << part.status().message();
    std::string text = r.in;
    bool at_start = true;
    ASSERT_TRUE((*part)->Apply(text, at_start).ok());
    EXPECT_EQ(at_start, r.want) << r.json << " on " << r.in;
  }
}

TEST(Normalizer, RefusesWithAReason) {
  struct {
    const char *json, *reason;
  } const rows[] = {
      {"{'type':'Foo'}", "the normalizer \"Foo\""},
      {"{}", "part.type is missing"},
      {"{'type':3}", "part.type is a number"},
      {"{'type':'Replace','content':''}", "part.pattern is missing"},
      {"{'type':'Replace','pattern':'a','content':''}", "is a string, must be an object"},
      {"{'type':'Replace','pattern':{},'content':''}", "either \"String\" or \"Regex\""},
      {"{'type':'Replace','pattern':{'Regex':'('},'content':''}", "pattern \"(\""},
      {"{'type':'Strip','strip_left':'yes'}", "part.strip_left is a string"},
      {"{'type':'Prepend'}", "part.prepend is missing"},
      {"{'type':'Precompiled','precompiled_charsmap':'!!'}", "base64"},
      {"{'type':'Precompiled','precompiled_charsmap':'AAAA'}", "3 bytes"},
      {"{'type':'Sequence'}", "part.normalizers is missing"},
      {"{'type':'Sequence','normalizers':[{'type':'NFC'},{'type':'x'}]}", "part.normalizers[1]"},
      {"{'type':'Sequence','normalizers':[3]}", "part.normalizers[0]"},
  };
  for (const auto& r : rows) {
    EXPECT_THAT(NormalizeWith(r.json, "x"), HasSubstr(r.reason)) << r.json;
  }
  std::string nested = "{'type':'NFC'}";
  for (int i = 0; i < 20; ++i) nested = "{'type':'Sequence','normalizers':[" + nested + "]}";
  EXPECT_THAT(NormalizeWith(nested, "x"), HasSubstr("nested deeper than 16"));
  std::string many = "{'type':'Sequence','normalizers':[{'type':'NFC'}";
  for (int i = 0; i < 256; ++i) many += ",{'type':'NFC'}";
  EXPECT_THAT(NormalizeWith(many + "]}", "x"),
              HasSubstr("part.normalizers has 257 parts, at most 256"));
}

// A file may ask for any growth; it is cut off, not tried.
TEST(Normalizer, GrowthIsBounded) {
  std::string json = "{'type':'Sequence','normalizers':[";
  for (int i = 0; i < 60; ++i) {
    json += "{'type':'Replace','pattern':{'String':'a'},'content':'" + std::string(1 << 16, 'a') +
            "'}" + (i == 59 ? "]}" : ",");
  }
  EXPECT_THAT(NormalizeWith(json, "a"), HasSubstr("more than 1073741824 bytes"));
}

}  // namespace
}  // namespace quarry::text
