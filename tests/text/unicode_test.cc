#include "text/unicode.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace quarry::text {
namespace {

// The normal forms of Unicode Standard Annex 15, figures 3 to 6.
TEST(Normalize, ExamplesOfTheStandard) {
  struct {
    const char *in, *nfd, *nfc, *nfkd, *nfkc;
  } const rows[] = {
      {"\u212B", "A\u030A", "\u00C5", "A\u030A", "\u00C5"},  // angstrom sign
      {"\u2126", "\u03A9", "\u03A9", "\u03A9", "\u03A9"},    // ohm sign
      {"\u1E69", "s\u0323\u0307", "\u1E69", "s\u0323\u0307", "\u1E69"},
      {"\u1E0B\u0323", "d\u0323\u0307", "\u1E0D\u0307", "d\u0323\u0307", "\u1E0D\u0307"},
      {"q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307"},
      {"\uFB01", "\uFB01", "\uFB01", "fi", "fi"},
      {"2\u2075", "2\u2075", "2\u2075", "25", "25"},
      {"\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E9B\u0323", "s\u0323\u0307", "\u1E69"},
      {"\uAC01", "\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8", "\uAC01"},  // Hangul
      {"plain \u00E9 text e\u0301.", "plain e\u0301 text e\u0301.", "plain \u00E9 text \u00E9.",
       "plain e\u0301 text e\u0301.", "plain \u00E9 text \u00E9."},
  };
  for (const auto& r : rows) {
    EXPECT_EQ(Normalize(r.in, NormalForm::kNfd), r.nfd) << r.in;
    EXPECT_EQ(Normalize(r.in, NormalForm::kNfc), r.nfc) << r.in;
    EXPECT_EQ(Normalize(r.in, NormalForm::kNfkd), r.nfkd) << r.in;
    EXPECT_EQ(Normalize(r.in, NormalForm::kNfkc), r.nfkc) << r.in;
  }
}

// utf8proc sorts marks by swapping neighbours: a megabyte of marks in the wrong order took hours.
TEST(Normalize, LongRunsOfMarksAreNotQuadratic) {
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += "\u0301\u0316";  // classes 230 and 220
  const std::string nfd = Normalize(text, NormalForm::kNfd);
  EXPECT_EQ(nfd.size(), text.size());
  EXPECT_EQ(nfd.substr(0, 5), "a\u0316\u0316");
  EXPECT_EQ(nfd.substr(nfd.size() - 2), "\u0301");
}

TEST(Unicode, Properties) {
  for (const char32_t c :
       {U' ', U'\t', U'\n', U'\v', U'\r', U'\x85', U'\xA0', U'\u2003', U'\u3000'}) {
    EXPECT_TRUE(IsWhitespace(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'a', U'\x1C', U'\u180E', U'\u200B', U'\uFEFF'}) {
    EXPECT_FALSE(IsWhitespace(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'7', U'\xB2', U'\xBD', U'\u2460', U'\u216B', U'\u0967'}) {
    EXPECT_TRUE(IsNumeric(c)) << static_cast<uint32_t>(c);
  }
  EXPECT_FALSE(IsNumeric(U'\u4E00'));  // a CJK numeral is a letter
  for (const char32_t c : {U'!', U'$', U'+', U'`', U'~', U'\u2014', U'\u3002'}) {
    EXPECT_TRUE(IsPunctuation(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'a', U' ', U'\u20AC', U'\xD7'}) {
    EXPECT_FALSE(IsPunctuation(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'_', U'\u203F', U'\u0301', U'\u4E2D', U'\u200D', U'\u24B6'}) {
    EXPECT_TRUE(IsWordChar(c)) << static_cast<uint32_t>(c);
  }
  EXPECT_FALSE(IsWordChar(U'-'));
  EXPECT_FALSE(IsWordChar(U'\xB2'));  // a number, but no decimal digit
}

TEST(Unicode, NewCharactersCountAsOldOnesOfTheirKind) {
  EXPECT_EQ(OlderEquivalent(U'a'), U'a');
  EXPECT_EQ(OlderEquivalent(U'\U0001FA77'), U'\U0001F300');  // pink heart, Unicode 15: a symbol
  EXPECT_TRUE(IsWordChar(U'\U00031350'));                    // CJK extension H
  EXPECT_TRUE(IsNumeric(U'\U0001E4F0'));                     // Nag Mundari digit
}

TEST(Unicode, Lowercase) {
  std::string out;
  for (const char32_t c : {U'A', U'z', U'\xC9', U'\u0130', U'\u01C5', U'\u1E9E'}) {
    AppendLowercase(c, out);
  }
  EXPECT_EQ(out, "az\u00E9i\u0307\u01C6\u00DF");
}

TEST(Unicode, Graphemes) {
  EXPECT_EQ(GraphemeLength("ab", 0), 1u);
  EXPECT_EQ(GraphemeLength("\r\n", 0), 2u);
  EXPECT_EQ(GraphemeLength("e\u0301x", 0), 3u);
  EXPECT_EQ(GraphemeLength("\U0001F469\u200D\U0001F467!", 0), 11u);
  EXPECT_EQ(GraphemeLength("\U0001F1E9\U0001F1EA\U0001F1EB", 0), 8u);
}

}  // namespace
}  // namespace quarry::text
