// Tokenizers against what the reference library does with them.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "quarry/tokenizer.h"

#include "tests/support/gzip.h"
#include "tests/support/paths.h"
#include "tests/support/tokenizer_fixtures.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

void ExpectAllPass(const fs::path& folder) {
  const std::vector<FixtureResult> results = CheckTokenizerFixtures(folder);
  EXPECT_FALSE(results.empty()) << folder;
  for (const FixtureResult& r : results) EXPECT_TRUE(r.pass) << r.name << ": " << r.detail;
}

TEST(TokenizerGolden, MadeUpTokenizers) { ExpectAllPass(GoldenInTree("tokenizers")); }

TEST(TokenizerGolden, PublishedTokenizers) {
  const auto one = GoldenOutside("tokenizers/llama3");
  if (!one) GTEST_SKIP() << NoGoldenOutside("tokenizers/llama3");
  ExpectAllPass(one->parent_path());
}

// The bundled model: strings with their ids, and the prompts of its reference.
class BundledModel : public testing::Test {
 protected:
  void SetUp() override {
    const Result<Tokenizer> loaded = Tokenizer::Load(folder_);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    tokenizer_ = *loaded;
  }

  std::string Read(const fs::path& name) const {
    return ReadMaybeGzip(folder_ / "reference" / name).value_or("");
  }

  const fs::path folder_ = SourcePath("models/needle-5m");
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(BundledModel, EncodesTheVectors) {
  const auto cases = nlohmann::json::parse(Read("tokenizer_vectors.json"));
  EXPECT_GT(cases.size(), 10u);
  for (const auto& c : cases) {
    const auto text = c["text"].get<std::string>();
    const auto want = c["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(*tokenizer_->Encode(text), want) << text;
    EXPECT_EQ(*tokenizer_->Decode(want), text);
  }
}

TEST_F(BundledModel, EncodesThePrompts) {
  const auto expected = nlohmann::json::parse(Read("expected.json"));
  for (const auto& prompt : expected["prompts"]) {
    const std::string text = Read(prompt["prompt_file"].get<std::string>());
    ASSERT_FALSE(text.empty()) << prompt["prompt_file"];
    const auto want = prompt["prompt_ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(*tokenizer_->Encode(text), want) << prompt["prompt_file"];
    EXPECT_EQ(*tokenizer_->Decode(want), text) << prompt["prompt_file"];
    EXPECT_EQ(*tokenizer_->Decode(prompt["greedy_ids"].get<std::vector<TokenId>>()),
              prompt["greedy_text"].get<std::string>());
  }
  EXPECT_EQ(tokenizer_->bos_id(), 0);
  EXPECT_EQ(tokenizer_->eos_id(), 2);
}

}  // namespace
}  // namespace quarry
