// Conversations through the templates of published tokenizers, against Python's Jinja2, and the ids
// of the texts.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/chat_cases.h"
#include "tests/support/paths.h"

namespace quarry::golden {
namespace {

TEST(ChatGolden, PublishedTemplates) {
  const auto folder = GoldenOutside("tokenizers/llama3_2");
  if (!folder) GTEST_SKIP() << NoGoldenOutside("tokenizers/llama3_2");
  int tokenizers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder->parent_path())) {
    if (!std::filesystem::exists(entry.path() / "chat.jsonl")) continue;
    ++tokenizers;
    const auto cases = RenderChatCases(entry.path());
    ASSERT_TRUE(cases.ok()) << cases.status().message();
    for (const ChatCase& c : *cases) {
      std::string why;
      EXPECT_TRUE(Matches(c, &why)) << entry.path().filename() << ": " << why;
    }
  }
  EXPECT_GT(tokenizers, 0);
}

}  // namespace
}  // namespace quarry::golden
