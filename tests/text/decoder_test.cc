#include "text/decoder.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/utf8.h"
#include "tests/text/json_support.h"

namespace quarry::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

std::string DecodeWith(const std::string& json, Strings tokens) {
  const auto part = ParsePart(json, ParseDecoder);
  if (!part.ok()) return "error: " + part.status().message();
  const Status s = (*part)->Decode(tokens);
  if (!s.ok()) return "error: " + s.message();
  std::string out;
  for (const std::string& t : tokens) out += t;
  return out;
}

// What comes out after each token, and at last after the end.
Strings StreamWith(const std::string& json, const Strings& tokens) {
  const auto part = ParsePart(json, ParseDecoder);
  if (!part.ok()) return {"error: " + part.status().message()};
  const auto stream = (*part)->NewStream();
  Strings out;
  const auto take = [&](const Strings& pieces) {
    out.emplace_back();
    for (const std::string& p : pieces) out.back() += p;
  };
  for (const std::string& t : tokens) {
    Strings pieces;
    EXPECT_TRUE(stream->Add(t, pieces).ok());
    take(pieces);
  }
  Strings rest;
  EXPECT_TRUE(stream->Finish(rest).ok());
  take(rest);
  return out;
}

constexpr const char* kByteLevel = "{'type':'ByteLevel'}";
constexpr const char* kBytes = "{'type':'ByteFallback'}";
constexpr const char* kLlama =
    "{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'_'},'content':' '},"
    "{'type':'ByteFallback'},{'type':'Fuse'},{'type':'Strip','content':' ','start':1,'stop':0}]}";

// Each token alone stays below the limit.
TEST(Decoder, GrowthOfAStreamIsBounded) {
  const auto part = ParsePart("{'type':'Replace','pattern':{'String':'a'},'content':'" +
                                  std::string(size_t{1} << 27, 'z') + "'}",
                              ParseDecoder);
  ASSERT_TRUE(part.ok()) << part.status().message();
  const auto stream = (*part)->NewStream();
  for (int i = 0; i < 8; ++i) {
    Strings dropped;
    ASSERT_TRUE(stream->Add("a", dropped).ok()) << i;
  }
  Strings out;
  EXPECT_THAT(stream->Add("a", out).message(), HasSubstr("more than 1073741824 bytes"));
}

TEST(Decoder, Kinds) {
  struct {
    const char* json;
    Strings tokens;
    const char* want;
  } const rows[] = {
      {kByteLevel, {"\u0120Hi", "\u00C3", "\u00A9"}, " Hi\u00E9"},
      {kByteLevel, {"a", "\u4E2D"}, "a\u4E2D"},        // not a byte-level token: as it is
      {kByteLevel, {"\u00E2\u0124", "x"}, "\uFFFDx"},  // E2 82 x: one invalid part
      {kBytes, {"<0xE2>", "<0x82>", "<0xAC>", "!"}, "\u20AC!"},
      {kBytes, {"<0xE2>", "<0x82>", "!"}, "\uFFFD\uFFFD!"},  // one for each
      {kBytes, {"<0x41>", "<0xFF>"}, "\uFFFD\uFFFD"},        // the whole run
      {kBytes, {"<0x4>", "<0x4G>", "<0x412>", "<0x41"}, "<0x4><0x4G><0x412><0x41"},
      {"{'type':'Fuse'}", {"a", "b"}, "ab"},
      {"{'type':'Strip','content':'_','start':1,'stop':0}", {"__a", "_b", "c_"}, "_abc_"},
      {"{'type':'Strip','content':'_','start':0,'stop':2}", {"a___", "_", ""}, "a_"},
      {"{'type':'Replace','pattern':{'String':'_'},'content':' '}", {"_a", "b_c"}, " ab c"},
      {"{'type':'Replace','pattern':{'Regex':'[0-9]+'},'content':'#'}", {"a12", "3"}, "a##"},
      {"{'type':'Metaspace','replacement':'_'}", {"_Hey", "_you"}, "Hey you"},
      {"{'type':'Metaspace','replacement':'_'}", {"__Hey_", "_you_"}, "Hey you "},
      {"{'type':'Metaspace','replacement':'_','prepend_scheme':'never'}", {"_Hey"}, " Hey"},
      {"{'type':'Metaspace','replacement':'_','add_prefix_space':false}", {"_Hey"}, " Hey"},
      {"{'type':'WordPiece','prefix':'##','cleanup':false}",
       {"un", "##able", "to", "."},
       "unable to ."},
      {"{'type':'WordPiece'}", {"do", "not", ".", "I", "##t", "'s"}, "do not. It's"},
      {"{'type':'BPEDecoder','suffix':'$'}", {"he", "llo$", "you$"}, "hello you"},
      {kLlama, {"_Hi", "_", "_x"}, "Hi  x"},
      {kLlama, {"<0x20>", "_x"}, " x"},
      {"{'type':'Sequence','decoders':[{'type':'Sequence','decoders':[{'type':'Fuse'}]}]}",
       {"a"},
       "a"},
  };
  for (const auto& r : rows) {
    EXPECT_EQ(DecodeWith(r.json, r.tokens), r.want) << r.json;
    if (std::string(r.json) == kBytes) continue;  // see below
    std::string streamed;
    for (const std::string& piece : StreamWith(r.json, r.tokens)) streamed += piece;
    EXPECT_EQ(streamed, r.want) << r.json;
  }
}

TEST(DecoderStream, HoldsBackOnlyWhatMayChange) {
  EXPECT_THAT(StreamWith(kByteLevel, {"a\u00E2", "\u0124", "\u00AC", "b"}),
              ElementsAre("a", "", "\u20AC", "b", ""));
  EXPECT_THAT(StreamWith(kByteLevel, {"\u00E2", "\u0124"}), ElementsAre("", "", "\uFFFD"));
  EXPECT_THAT(StreamWith(kByteLevel, {"\u00E2", "a"}), ElementsAre("", "\uFFFDa", ""));
  EXPECT_THAT(StreamWith(kLlama, {"_Hi", "_", "you"}), ElementsAre("Hi", " ", "you", ""));
  EXPECT_THAT(StreamWith(kLlama, {"_", "_x"}), ElementsAre("", " x", ""));
  EXPECT_THAT(StreamWith("{'type':'BPEDecoder','suffix':'$'}", {"a$", "b$"}),
              ElementsAre("", "a ", "b"));
  EXPECT_THAT(StreamWith("{'type':'Sequence','decoders':[{'type':'Fuse'},{'type':'Strip','content':"
                         "'_','start':1,'stop':2}]}",
                         {"_", "_a", "___", "b_", "_"}),
              ElementsAre("", "_a", "_", "__b", "", ""));
  // What an expression makes of joined tokens is known at the end only.
  EXPECT_THAT(
      StreamWith("{'type':'Sequence','decoders':[{'type':'Fuse'},{'type':'Replace','pattern':"
                 "{'String':'ab'},'content':'x'}]}",
                 {"a", "b"}),
      ElementsAre("", "", "x"));
}

// Byte tokens: characters as they are complete; after an invalid byte one U+FFFD each.
TEST(DecoderStream, ByteTokens) {
  EXPECT_THAT(StreamWith(kBytes, {"<0xE2>", "<0x82>", "<0xAC>", "<0x41>"}),
              ElementsAre("", "", "\u20AC", "A", ""));
  EXPECT_THAT(StreamWith(kBytes, {"<0xE2>", "<0x82>"}), ElementsAre("", "", "\uFFFD\uFFFD"));
  EXPECT_THAT(StreamWith(kBytes, {"<0xE2>", "a"}), ElementsAre("", "\uFFFDa", ""));
  EXPECT_THAT(StreamWith(kBytes, {"<0xFF>", "<0x41>", "a", "<0x41>"}),
              ElementsAre("\uFFFD", "\uFFFD", "a", "A", ""));
  EXPECT_THAT(StreamWith(kBytes, {"<0x41>", "<0xFF>", "<0x42>"}),
              ElementsAre("A", "\uFFFD", "\uFFFD", ""));
}

TEST(Decoder, RefusesWithAReason) {
  struct {
    const char *json, *reason;
  } const rows[] = {
      {"{'type':'CTC'}", "the decoder \"CTC\""},
      {"{'type':'Strip','content':'ab','start':0,'stop':0}", "must be one character"},
      {"{'type':'Strip','content':'a','start':-1,'stop':0}", "must not be negative"},
      {"{'type':'Strip','content':'a'}", "part.start is missing"},
      {"{'type':'BPEDecoder','suffix':''}", "must not be empty"},
      {"{'type':'Sequence'}", "part.decoders is missing"},
      {"{'type':'Sequence','decoders':[{'type':'x'}]}", "part.decoders[0]"},
  };
  for (const auto& r : rows) EXPECT_THAT(DecodeWith(r.json, {}), HasSubstr(r.reason)) << r.json;
  std::string nested = "{'type':'Fuse'}";
  for (int i = 0; i < 20; ++i) nested = "{'type':'Sequence','decoders':[" + nested + "]}";
  EXPECT_THAT(DecodeWith(nested, {}), HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace quarry::text
