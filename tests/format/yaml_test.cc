#include "format/yaml.h"

#include <array>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quarry {
namespace {

using testing::HasSubstr;

YamlNode Parsed(std::string_view text) {
  Result<YamlNode> node = ParseYaml(text, "f");
  EXPECT_TRUE(node.ok()) << node.status().message();
  return node.ok() ? *node : YamlNode();
}

std::string Error(std::string_view text, const YamlLimits& limits = {}) {
  return ParseYaml(text, "f", limits).status().message();
}

TEST(Yaml, KeepsLinesAndPaths) {
  const YamlNode root = Parsed("# comment\na: 1\n\nb:\n  c: two  # why\n  d: [x, 'y']\ne:\n");
  ASSERT_EQ(root.kind, YamlNode::Kind::kMap);
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[0].key, "a");
  EXPECT_EQ(root.entries[0].line, 2);
  EXPECT_EQ(root.entries[0].value.scalar, "1");
  const YamlNode& b = root.Find("b")->value;
  EXPECT_EQ(b.Find("c")->line, 5);
  EXPECT_EQ(b.Find("c")->path, "b.c");
  EXPECT_EQ(b.Find("c")->value.scalar, "two");
  ASSERT_EQ(b.Find("d")->value.items.size(), 2u);
  EXPECT_FALSE(b.Find("d")->value.items[0].quoted);
  EXPECT_TRUE(b.Find("d")->value.items[1].quoted);
  EXPECT_EQ(root.Find("e")->value.kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root.Find("x"), nullptr);
}

TEST(Yaml, EmptyTextIsNull) {
  for (std::string_view text : {"", "\n\n", "# only a comment\n", "---\n", "~"}) {
    EXPECT_EQ(Parsed(text).kind, YamlNode::Kind::kNull) << text;
  }
}

TEST(Yaml, QuotedText) {
  const YamlNode root =
      Parsed("\xEF\xBB\xBF'it''s': \"say \\\"hi\\\" \\\\\"\nb: !!str 8\nc: &x ''\n");
  EXPECT_EQ(root.Find("it's")->value.scalar, "say \"hi\" \\");
  EXPECT_TRUE(root.Find("b")->value.quoted);
  EXPECT_EQ(root.Find("c")->value.scalar, "");
}

TEST(Yaml, AliasesStandForWhatTheyName) {
  const YamlNode root = Parsed("a: &x {k: 1}\nb: *x\nc: &y 5\nd: [*y, *x]\n");
  EXPECT_EQ(root.Find("b")->value.Find("k")->value.scalar, "1");
  EXPECT_EQ(root.Find("b")->value.Find("k")->path, "b.k");
  EXPECT_EQ(root.Find("d")->value.items[0].scalar, "5");
}

TEST(Yaml, NamesTheLineOfWhatItRefuses) {
  struct Row {
    std::string_view text, message;
  };
  for (const Row& row : {
           Row{"a: 1\nb: 2\na: 3\n", "f:3: key \"a\" appears twice, first in line 1"},
           Row{"a:\n  b: 1\n  'b': 2\n", "f:3: key \"b\" appears twice, first in line 2"},
           Row{"a: 1\n<<: {b: 2}\n", "f:2: merge keys (<<) are not supported"},
           Row{"[a]: 1\n", "f:1: a key is a list, must be a name"},
           Row{"a: 1\n~: 2\n", "f:2: a key is null, must be a name"},
           Row{"a: !!python/object x\n", "f:1: tag \"tag:yaml.org,2002:python/object\" is not"},
           Row{"a: 1\n--- \nb: 2\n", "f:2: a second document, must be one"},
           Row{"a: [1, 2\nb: 3\n", "not valid YAML: "},
           Row{"b: 1\na: \"x\n", "f:2: quoted text does not end on its line"},
           Row{"a: \"x\nb: \"y\"\n", "f:1: quoted text does not end on its line"},
           Row{"a: &c 'it''s\nb: 2\n", "f:1: quoted text does not end on its line"},
           Row{"a: !!str \"x\\\"\n", "f:1: quoted text does not end on its line"},
           Row{"\xEF\xBB\xBF\"a\": 'x\n", "f:1: quoted text does not end on its line"},
           Row{"a: b: c\n", "f:1: not valid YAML: "},
           Row{"\tb: 1\n", "not valid YAML: "},
           Row{"a: *none\n", "f:1: not valid YAML: "},
           Row{"a: &x [*x]\n", "f:1: an alias inside its own anchor"},
           Row{"a: 1\nb: \xff\n", "f:2: invalid UTF-8"},
           Row{"a: 1\nb: \x1b[2J\n", "f:2: control character 0x1b"},
       }) {
    const Status s = ParseYaml(row.text, "f").status();
    EXPECT_EQ(s.code(), StatusCode::kCorruptData) << row.text;
    EXPECT_THAT(s.message(), HasSubstr(row.message)) << row.text;
    EXPECT_EQ(s.message().find('\n'), std::string::npos);
  }
  EXPECT_EQ(Error(std::string("a: \0", 4)), "f:1: control character 0x00");
}

TEST(Yaml, IsBounded) {
  EXPECT_THAT(Error("a: 12345", {.bytes = 7}), HasSubstr("8 bytes, at most 7 are read"));
  EXPECT_THAT(Error(std::string(60000, '[')), HasSubstr("nested deeper than 16 maps and lists"));
  EXPECT_THAT(Error(std::string(60000, '{')), HasSubstr("nested deeper than 16 maps and lists"));
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(Error(nested), HasSubstr("nested deeper than 16"));
  std::string wide = "[";
  for (int i = 0; i < 20000; ++i) wide += "1,";
  EXPECT_THAT(Error(wide + "]"), HasSubstr("more than 10000 values"));
}

TEST(Yaml, AliasesCannotGrowWithoutBound) {
  // Nine levels of nine: 9^9 values if written out.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i,
                        i - 1);
  }
  EXPECT_THAT(Error(bomb), HasSubstr("more than 10000 values"));
  // Few values, but long ones.
  std::string fat = "a: &a " + std::string(30000, 'x') + "\nb: [";
  for (int i = 0; i < 5000; ++i) fat += "*a,";
  EXPECT_THAT(Error(fat + "]"), HasSubstr("more than 65536 bytes with aliases written out"));
}

TEST(YamlReader, ReadsEveryType) {
  const YamlNode root = Parsed(
      "int: 16\nexact: 16.0\npower: 1e3\nplus: +5\nnumber: 0.25\nwhole: 4\nyes: True\nno: off\n"
      "text: some text\nnumeric_text: 12\nnothing: ~\nchoice: b\nmap: {k: 1}\nempty_map:\n");
  Status error;
  YamlReader in(root, "f", "", error);
  EXPECT_EQ(in.Int("int", "x"), 16);
  EXPECT_EQ(in.Int("exact", "x"), 16);
  EXPECT_EQ(in.Int("power", "x"), 1000);
  EXPECT_EQ(in.Int("plus", "x"), 5);
  EXPECT_EQ(in.IntOr("absent", 3), 3);
  EXPECT_EQ(in.Number("number", "x"), 0.25);
  EXPECT_EQ(in.Number("whole", "x"), 4.0);
  EXPECT_EQ(in.NumberOr("absent", 1.5), 1.5);
  EXPECT_TRUE(in.BoolOr("yes", false));
  EXPECT_FALSE(in.BoolOr("no", true));
  EXPECT_EQ(in.String("text", "x"), "some text");
  EXPECT_EQ(in.String("numeric_text", "x"), "12");
  EXPECT_EQ(in.StringOr("absent", "d"), "d");
  EXPECT_EQ(in.OneOf("choice", std::array<std::string_view, 2>{"a", "b"}, 0), 1u);
  EXPECT_NE(in.Map("map"), nullptr);
  EXPECT_EQ(in.Map("empty_map"), nullptr);
  EXPECT_TRUE(error.ok()) << error.message();
  ASSERT_EQ(in.Unread().size(), 1u);
  EXPECT_EQ(in.Unread()[0]->key, "nothing");
}

TEST(YamlReader, NamesLineKeyValueAndLimit) {
  using Read = void (*)(YamlReader&);
  struct Row {
    std::string_view yaml;
    Read read;
    std::string_view message;
  };
  for (const Row& row : {
           Row{"k: six", [](YamlReader& in) { in.Int("k", "x"); },
               "f:1: m.k is \"six\", must be an integer"},
           Row{"a: 1\nk: 2.5", [](YamlReader& in) { in.Int("k", "x"); },
               "f:2: m.k is 2.5, must be an integer"},
           Row{"k: '8'", [](YamlReader& in) { in.Int("k", "x"); },
               "f:1: m.k is \"8\", must be an integer"},
           Row{"k: 99999999999999999999", [](YamlReader& in) { in.Int("k", "x"); },
               "f:1: m.k is 99999999999999999999, must be an integer"},
           Row{"k: 0x10", [](YamlReader& in) { in.Int("k", "x"); },
               "f:1: m.k is \"0x10\", must be an integer"},
           Row{"k: .inf", [](YamlReader& in) { in.Number("k", "x"); },
               "f:1: m.k is \".inf\", must be a number"},
           Row{"k: nan", [](YamlReader& in) { in.Number("k", "x"); },
               "f:1: m.k is \"nan\", must be a number"},
           Row{"k: 1e999", [](YamlReader& in) { in.Number("k", "x"); },
               "f:1: m.k is \"1e999\", must be a number"},
           Row{"k: maybe", [](YamlReader& in) { in.BoolOr("k", false); },
               "f:1: m.k is \"maybe\", must be true or false"},
           Row{"k: [1]", [](YamlReader& in) { in.String("k", "x"); },
               "f:1: m.k is a list, must be a string"},
           Row{"k: ''", [](YamlReader& in) { in.String("k", "x"); },
               "f:1: m.k is \"\", must be a string"},
           Row{"k: 1", [](YamlReader& in) { in.Map("k"); }, "f:1: m.k is 1, must be a map"},
           Row{"k:", [](YamlReader& in) { in.Int("k", "x"); },
               "f:1: m.k is null, must be an integer"},
           Row{"a: 1", [](YamlReader& in) { in.Int("k", "qllm"); },
               "f: m.k is missing, required by qllm, must be an integer"},
           Row{"k: x",
               [](YamlReader& in) {
                 in.OneOf("k", std::array<std::string_view, 2>{"a", "b"}, 0);
               },
               "f:1: m.k is \"x\", must be one of a, b"},
       }) {
    // The reader's map is `m`; its entries are at the top here, so their paths are set by hand.
    YamlNode map = Parsed(row.yaml);
    for (YamlEntry& entry : map.entries) entry.path = "m." + entry.path;
    Status error;
    YamlReader in(map, "f", "m", error);
    row.read(in);
    EXPECT_EQ(error.message(), row.message);
    EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
  }
}

TEST(Yaml, TruncatedAtEveryByte) {
  const std::string text = "a: &x\n  b: [1, \"two\", {c: 3}]\n  d: |\n    text\ne: *x\n";
  EXPECT_EQ(Error(text), "");
  for (size_t n = 0; n < text.size(); ++n) {
    const std::string message = Error(text.substr(0, n));
    EXPECT_TRUE(message.empty() || message.starts_with("f:")) << message;
  }
}

}  // namespace
}  // namespace quarry
