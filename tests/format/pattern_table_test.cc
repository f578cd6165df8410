// Pattern files of minference: the original's form, and what is refused.

#include "quarry/pattern_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::HasSubstr;

TEST(PatternTable, ReadsTheOriginalsForm) {
  const auto table = ParsePatternTable(
      R"([{"0": ["vertical_and_slash", 1000, 6096, 336], "3": ["block_sparse", 8, 1, 0.7]},
          {"10": ["stream_llm", 100, 800, 1.0005]}, {}])",
      "p.json");
  ASSERT_TRUE(table.ok()) << table.status().message();
  ASSERT_EQ(table->layers.size(), 3u);
  EXPECT_EQ(table->heads(), 11);
  EXPECT_EQ(table->layers[0].at(0),
            (HeadPattern{HeadPatternType::kVerticalSlash, 1000, 6096, 336, true}));
  EXPECT_EQ(table->layers[0].at(3), (HeadPattern{HeadPatternType::kBlockSparse, 8, 1, 0.7, false}));
  EXPECT_EQ(table->layers[1].at(10),
            (HeadPattern{HeadPatternType::kAShape, 100, 800, 1.0005, false}));
  EXPECT_TRUE(table->layers[2].empty());
}

TEST(PatternTable, WritesWhatItReads) {
  const std::string text =
      R"([{"0": ["vertical_and_slash", 30, 800, 336], "1": ["stream_llm", 100, 800, 0.25]}])";
  const auto table = ParsePatternTable(text, "p");
  ASSERT_TRUE(table.ok());
  const std::string written = FormatPatternTable(*table);
  EXPECT_THAT(written, HasSubstr("\"vertical_and_slash\",\n      30,\n      800,\n      336\n"));
  EXPECT_THAT(written, HasSubstr("0.25"));
  const auto again = ParsePatternTable(written, "p");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->layers, table->layers);
}

TEST(PatternTable, FilesAreReplacedWhole) {
  const TempDir dir;
  PatternTable table;
  table.layers.push_back({{0, {}}});
  const auto path = dir.path() / "p.json";
  ASSERT_TRUE(WritePatternTable(path, table).ok());
  table.layers.push_back({{0, {}}, {1, {}}});
  ASSERT_TRUE(WritePatternTable(path, table).ok());
  const auto read = ReadPatternTable(path);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->layers, table.layers);
  EXPECT_EQ(read->name, path.string());
  EXPECT_EQ(ReadPatternTable(dir.path() / "none").status().code(), StatusCode::kNotFound);
}

struct Refusal {
  const char* text;
  const char* message;
};

TEST(PatternTable, RefusesByNameWithValueAndLimit) {
  const Refusal refusals[] = {
      {"{}", "p: is an object, must be a list of one object a layer"},
      {"[[]]", "p: layer 0 is a list, must be an object"},
      {R"([{}, {"0": 5}])", "p: layer 1, head 0 is 5, must be a list of type"},
      {R"([{"0": ["vertical_and_slash", 1, 2]}])", "layer 0, head 0 is a list of 3, must be"},
      {R"([{"0": ["vertical_slash", 1, 2, 3]}])",
       "the type is \"vertical_slash\", must be vertical_and_slash, stream_llm or block_sparse"},
      {R"([{"0": [7, 1, 2, 3]}])", "the type is 7, must be"},
      {R"([{"0": ["vertical_and_slash", -1, 2, 3]}])",
       "the first size is -1, must be an integer between 0 and 1073741824"},
      {R"([{"0": ["vertical_and_slash", 1.5, 2, 3]}])", "the first size is 1.5, must be"},
      {R"([{"0": ["vertical_and_slash", 1, 18446744073709551615, 3]}])",
       "the second size is 18446744073709551615, must be"},
      {R"([{"0": ["stream_llm", 1, 0, 3]}])",
       "the second size is 0, must be an integer between 1 and 1073741824"},
      {R"([{"0": ["stream_llm", 1, 2, "x"]}])", "the score is \"x\", must be a number"},
      {R"([{"a": ["stream_llm", 1, 2, 3]}])", "layer 0: head \"a\" must be a number between 0 and"},
      {R"([{"01": ["stream_llm", 1, 2, 3]}])", "head \"01\" must be a number"},
      {R"([{"4096": ["stream_llm", 1, 2, 3]}])",
       "head \"4096\" must be a number between 0 and 4095"},
      {R"([{"-1": ["stream_llm", 1, 2, 3]}])", "head \"-1\" must be"},
      {R"([{"0": ["stream_llm", 1, 2, 3], "0": ["stream_llm", 1, 2, 3]}])", "appears twice"},
      {"[", "not valid JSON"}};
  for (const Refusal& r : refusals) {
    const auto table = ParsePatternTable(r.text, "p");
    ASSERT_FALSE(table.ok()) << r.text;
    EXPECT_EQ(table.status().code(), StatusCode::kCorruptData);
    EXPECT_THAT(table.status().message(), HasSubstr(r.message)) << r.text;
    EXPECT_EQ(table.status().message().find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace quarry
