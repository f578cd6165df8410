#include "format/json.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

nlohmann::json Parsed(std::string_view text) {
  Result<nlohmann::json> v = ParseJson(text, "a.json");
  EXPECT_TRUE(v.ok()) << v.status().message();
  return v.ok() ? *v : nlohmann::json();
}

std::string Error(std::string_view text, const JsonLimits& limits = {}) {
  return ParseJson(text, "a.json", limits).status().message();
}

TEST(Json, ParsesWhatItShould) {
  const std::string_view text =
      R"( {"a": [1, -2, 2.5, true, false, null, "x\u00e9"], "b": {"c": {}}} )";
  EXPECT_EQ(Parsed(text), nlohmann::json::parse(text));
  EXPECT_EQ(Parsed("3"), 3);
  EXPECT_EQ(Parsed("[[[]],[[]]]"), nlohmann::json::parse("[[[]],[[]]]"));
}

TEST(Json, SaysWhereItStopsBeingJson) {
  struct Row {
    std::string_view text, start;
  };
  for (const Row& row : {
           Row{"", "a.json:1:1: not valid JSON: unexpected end of input"},
           Row{"{\n  \"a\": x\n}", "a.json:2:8: not valid JSON: invalid literal"},
           Row{"{\"a\": 1", "a.json:1:8: not valid JSON: unexpected end of input"},
           Row{"{} {}", "a.json:1:4: not valid JSON: unexpected '{'"},
           Row{"[1,]", "a.json:1:4: not valid JSON: unexpected ']'"},
           Row{"{\"a\": 1e999}", "a.json:1:11: not valid JSON: "},
           Row{"[\"\xff\"]", "a.json:1:3: not valid JSON: invalid string: ill-formed UTF-8"},
           Row{"[NaN]", "a.json:1:2: not valid JSON: invalid literal"},
       }) {
    const Result<nlohmann::json> v = ParseJson(row.text, "a.json");
    EXPECT_EQ(v.status().code(), StatusCode::kCorruptData);
    EXPECT_THAT(v.status().message(), StartsWith(row.start));
    EXPECT_EQ(v.status().message().find('\n'), std::string::npos);
  }
}

TEST(Json, RefusesRepeatedKeys) {
  EXPECT_EQ(Error(R"({"a": 1, "b": {"a": 2, "c": 3, "c": 4}})"), "a.json: key \"c\" appears twice");
  EXPECT_EQ(Error(R"({"a": {"a": 2}, "b": {"a": 2}})"), "");
}

TEST(Json, IsBounded) {
  EXPECT_EQ(Error("[[[]]]", {.depth = 2}), "a.json: nested deeper than 2 objects and lists");
  EXPECT_EQ(Error("[[[]]]", {.depth = 3}), "");
  EXPECT_EQ(Error("[1, {}]", {.values = 2}), "a.json: more than 2 values");
  EXPECT_EQ(Error("[1, {}]", {.values = 3}), "");
  EXPECT_EQ(Error("[1, 2]", {.bytes = 5}), "a.json: 6 bytes, at most 5 are read");
  EXPECT_THAT(Error(std::string(1 << 20, '[')), HasSubstr("nested deeper"));
}

TEST(JsonReader, ReadsEveryType) {
  const nlohmann::json v = Parsed(R"({
    "int": 7, "exact": 4096.0, "number": 0.5, "yes": true, "text": "t", "null": null,
    "numbers": [1, 2.5], "strings": ["a", "b"], "id": 3, "ids": [4, 5], "object": {"inner": 1}})");
  Status error;
  const JsonReader in(v, "a.json", error);
  EXPECT_EQ(in.Int("int", 0, 10), 7);
  EXPECT_EQ(in.Int("exact", 0, 10000), 4096);
  EXPECT_EQ(in.IntOr("null", 0, 10, 9), 9);
  EXPECT_EQ(in.IntOr("absent", 0, 10, 9), 9);
  EXPECT_EQ(in.OptionalInt("int", 0, 10), 7);
  EXPECT_EQ(in.OptionalInt("null", 0, 10), std::nullopt);
  EXPECT_EQ(in.Number("number", 0, 1), 0.5);
  EXPECT_EQ(in.Number("int", 0, 10), 7.0);
  EXPECT_TRUE(in.BoolOr("yes", false));
  EXPECT_TRUE(in.BoolOr("absent", true));
  EXPECT_EQ(in.String("text"), "t");
  EXPECT_EQ(in.StringOr("null", "d"), "d");
  EXPECT_THAT(in.Numbers("numbers", 2, 0, 10), ElementsAre(1, 2.5));
  EXPECT_THAT(in.Strings("strings", 2), ElementsAre("a", "b"));
  EXPECT_THAT(in.IntOrList("id", 0, 10, 4), ElementsAre(3));
  EXPECT_THAT(in.IntOrList("ids", 0, 10, 4), ElementsAre(4, 5));
  EXPECT_THAT(in.IntOrList("null", 0, 10, 4), ElementsAre());
  EXPECT_EQ(in.Object("object").Int("inner", 0, 10), 1);
  EXPECT_TRUE(in.Contains("null"));
  EXPECT_FALSE(in.Has("null"));
  EXPECT_TRUE(error.ok()) << error.message();
}

TEST(JsonReader, NamesKeyValueAndLimit) {
  using Read = void (*)(const JsonReader&);
  struct Row {
    std::string_view json;
    Read read;
    std::string_view message;
  };
  const Row rows[] = {
      {R"({"n": "six"})", [](const JsonReader& in) { in.Int("n", 1, 10000); },
       "a.json: n is \"six\", must be an integer between 1 and 10000"},
      {R"({"n": 0})", [](const JsonReader& in) { in.Int("n", 1, 10000); },
       "a.json: n is 0, must be an integer between 1 and 10000"},
      {R"({"n": 2.5})", [](const JsonReader& in) { in.Int("n", 1, 9); },
       "a.json: n is 2.5, must be an integer between 1 and 9"},
      {R"({"n": true})", [](const JsonReader& in) { in.Int("n", 0, 9); },
       "a.json: n is true, must be an integer between 0 and 9"},
      {R"({"n": 18446744073709551615})", [](const JsonReader& in) { in.Int("n", -1, INT64_MAX); },
       "a.json: n is 18446744073709551615, must be an integer between -1 and 9223372036854775807"},
      {R"({"n": 1e300})", [](const JsonReader& in) { in.Int("n", -1, INT64_MAX); },
       "a.json: n is 1e+300, must be an integer between -1 and 9223372036854775807"},
      {"{}", [](const JsonReader& in) { in.Int("n", 1, 9); },
       "a.json: n is missing, must be an integer between 1 and 9"},
      {R"({"n": null})", [](const JsonReader& in) { in.Int("n", 1, 9); },
       "a.json: n is null, must be an integer between 1 and 9"},
      {R"({"x": []})", [](const JsonReader& in) { in.Number("x", 0, 1); },
       "a.json: x is a list, must be a number between 0 and 1"},
      {R"({"x": {}})", [](const JsonReader& in) { in.BoolOr("x", false); },
       "a.json: x is an object, must be true or false"},
      {R"({"x": "a\nb"})", [](const JsonReader& in) { in.BoolOr("x", false); },
       "a.json: x is \"a\\nb\", must be true or false"},
      {R"({"x": 1})", [](const JsonReader& in) { in.String("x"); },
       "a.json: x is 1, must be a string"},
      {R"({"x": [1, "b"]})", [](const JsonReader& in) { in.Numbers("x", 2, 0, 5); },
       "a.json: x[1] is \"b\", must be a list of 2 numbers between 0 and 5"},
      {R"({"x": [1]})", [](const JsonReader& in) { in.Numbers("x", 2, 0, 5); },
       "a.json: x has 1 entries, must be a list of 2 numbers between 0 and 5"},
      {R"({"x": [1]})", [](const JsonReader& in) { in.Strings("x", 4); },
       "a.json: x[0] is 1, must be a list of at most 4 strings"},
      {R"({"x": [1, -5]})", [](const JsonReader& in) { in.IntOrList("x", 0, 9, 4); },
       "a.json: x[1] is -5, must be an integer or a list of at most 4 integers between 0 and 9"},
      {R"({"o": {"i": "x"}})", [](const JsonReader& in) { in.Object("o").Int("i", 0, 9); },
       "a.json: o.i is \"x\", must be an integer between 0 and 9"},
      {R"({"o": 3})", [](const JsonReader& in) { in.Object("o").Int("i", 0, 9); },
       "a.json: o is 3, must be an object"},
      {"[]", [](const JsonReader& in) { in.IntOr("n", 0, 9, 0); },
       "a.json: is a list, must be an object"},
  };
  for (const Row& row : rows) {
    const nlohmann::json v = Parsed(row.json);
    Status error;
    row.read(JsonReader(v, "a.json", error));
    EXPECT_EQ(error.message(), row.message);
    EXPECT_EQ(error.code(), StatusCode::kCorruptData);
  }
}

TEST(JsonReader, KeepsTheFirstError) {
  const nlohmann::json v = Parsed(R"({"a": "x", "b": "y"})");
  Status error;
  const JsonReader in(v, "a.json", error);
  EXPECT_EQ(in.Int("a", 3, 9), 3) << "the least value allowed";
  in.Int("b", 3, 9);
  EXPECT_THAT(error.message(), HasSubstr("a is \"x\""));
}

}  // namespace
}  // namespace quarry
