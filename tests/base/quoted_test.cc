#include "base/quoted.h"

#include <gtest/gtest.h>

namespace quarry {
namespace {

TEST(Quoted, ShowsTextOnOneLine) {
  EXPECT_EQ(Quoted("plain"), "\"plain\"");
  EXPECT_EQ(Quoted("a\nb\t\x1b[2J\x7f"), "\"a\\nb\\t\\x1b[2J\\x7f\"");
  EXPECT_EQ(Quoted("say \"hi\" \\"), "\"say \\\"hi\\\" \\\\\"");
  EXPECT_EQ(Quoted("\xFF"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(Quoted("h\xC3\xA9"), "\"h\xC3\xA9\"");
  EXPECT_EQ(Quoted("\xE2\x80\xA8"), "\"\\u2028\"");
  EXPECT_EQ(OneLine("say \"hi\"\n"), "say \"hi\"\\n");
}

TEST(Quoted, CutsLongText) {
  EXPECT_EQ(Quoted("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(Quoted("abc", 3), "\"abc\"");
  EXPECT_EQ(OneLine(std::string(1000, 'x'), 10), "xxxxxxxxxx...");
}

}  // namespace
}  // namespace quarry
