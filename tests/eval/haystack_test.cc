#include "eval/haystack.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace quarry::eval {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::filesystem::path Write(const TempDir& dir, const char* name, std::string_view text) {
  EXPECT_TRUE(WriteFileAtomically(dir.path() / name, text).ok());
  return dir.path() / name;
}

TEST(Haystack, ReadsTextJsonAndJsonLines) {
  TempDir dir;
  EXPECT_EQ(Haystack::Load(Write(dir, "a.txt", "One two.\nThree."))->text(), "One two.\nThree.");
  EXPECT_EQ(Haystack::Load(Write(dir, "a.json", R"({"text": "One"})"))->text(), "One");
  const auto lines =
      Haystack::Load(Write(dir, "a.jsonl", "{\"text\": \"One\"}\n\n{\"text\": \"two\"}"));
  EXPECT_EQ(lines->text(), "One\ntwo");
  EXPECT_EQ(lines->name(), "a.jsonl");
}

TEST(Haystack, ErrorsNameTheFileAndTheLine) {
  TempDir dir;
  EXPECT_EQ(Haystack::Load(dir.path() / "none.txt").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Haystack::Load(Write(dir, "e.txt", " \n ")).status().message(),
              HasSubstr("e.txt: holds no text"));
  EXPECT_THAT(
      Haystack::Load(Write(dir, "b.jsonl", "{\"text\": \"x\"}\n{\"txt\": 1}\n")).status().message(),
      HasSubstr("b.jsonl:2: has no string \"text\""));
  EXPECT_THAT(Haystack::Load(Write(dir, "b.json", "[")).status().message(),
              HasSubstr("b.json: is no JSON object"));
  EXPECT_FALSE(Haystack::Load(dir.path()).ok());
}

TEST(Haystack, RefusesDeepNesting) {
  TempDir dir;
  const auto path = dir.path() / "a.json";
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  ASSERT_TRUE(WriteFileAtomically(path, "{\"text\": \"x\", \"more\": " + deep + "}").ok());
  EXPECT_EQ(Haystack::Load(path).status().message(), path.string() + ": is nested deeper than 64");
}

TEST(Haystack, RepairsUtf8) {
  TempDir dir;
  EXPECT_EQ(Haystack::Load(Write(dir, "u.txt", "a\xff z"))->text(), "a\xEF\xBF\xBD z");
}

TEST(Haystack, RepeatsItsWords) {
  TempDir dir;
  const auto h = Haystack::Load(Write(dir, "w.txt", "a  b\nc"));
  EXPECT_THAT(h->Words(2), ElementsAre("a", "b"));
  EXPECT_THAT(h->Words(7), ElementsAre("a", "b", "c", "a", "b", "c", "a"));
}

TEST(Haystack, GeneratedTextIsFixedByItsSeed) {
  const Haystack a = Haystack::Generated(1, 5000);
  EXPECT_EQ(a.text(), Haystack::Generated(1, 5000).text());
  EXPECT_NE(a.text(), Haystack::Generated(2, 5000).text());
  EXPECT_GE(a.text().size(), 5000u);
  EXPECT_TRUE(Haystack::Generated(1, 9000).text().starts_with(a.text()));
}

TEST(Haystack, IsLookedForInTheRoots) {
  const std::vector<std::filesystem::path> roots = {"/nonexistent", SourcePath("")};
  EXPECT_EQ(FindHaystack("", roots)->name(), "pride_and_prejudice.txt");
  EXPECT_EQ(FindHaystack("", {})->name(), "generated");
  EXPECT_FALSE(FindHaystack("/nonexistent.txt", roots).ok());
}

}  // namespace
}  // namespace quarry::eval
