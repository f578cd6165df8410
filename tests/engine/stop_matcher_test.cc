#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

namespace quarry {
namespace {

// The text that comes out when `text` goes in in pieces of `n` bytes.
std::string Feed(StopMatcher& m, std::string_view text, size_t n) {
  std::string out;
  for (size_t i = 0; i < text.size(); i += n) out += m.Add(text.substr(i, n));
  if (!m.matched()) out += m.Flush();
  return out;
}

TEST(StopMatcher, CutsBeforeTheFirstStopHoweverTheTextArrives) {
  for (size_t n = 1; n <= 12; ++n) {
    StopMatcher m({"END", "stop"});
    EXPECT_EQ(Feed(m, "one stoEN stop two END", n), "one stoEN ") << n;
    EXPECT_TRUE(m.matched());
    EXPECT_EQ(m.Add("more"), "");
  }
}

TEST(StopMatcher, GivesBackWhatOnlyLookedLikeAStop) {
  for (size_t n = 1; n <= 6; ++n) {
    StopMatcher m({"aab", "</s>"});
    EXPECT_EQ(Feed(m, "aaac </ aa", n), "aaac </ aa") << n;
    EXPECT_FALSE(m.matched());
  }
}

TEST(StopMatcher, HoldsBackNoMoreThanItMust) {
  StopMatcher m({"xyz"});
  EXPECT_EQ(m.Add("abx"), "ab");
  EXPECT_EQ(m.Add("y"), "");
  EXPECT_EQ(m.Add("q"), "xyq");
}

TEST(StopMatcher, EmptyStopsAreIgnored) {
  StopMatcher m({"", ""});
  EXPECT_EQ(m.Add("text"), "text");
  StopMatcher none({});
  EXPECT_EQ(none.Add("text"), "text");
}

}  // namespace
}  // namespace quarry
