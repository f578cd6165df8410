// Tokenizers against what the reference library does with them.

#include <filesystem>
#include <fstream>
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

TEST(TokenizerGolden, MadeUpTokenizers) { ExpectAllPass(SourcePath("tests/golden/tokenizers")); }

TEST(TokenizerGolden, PublishedTokenizers) {
  const std::optional<fs::path> one = FindGolden("tokenizers/llama3");
  if (!one) GTEST_SKIP() << "the published tokenizers are not here";
  ExpectAllPass(one->parent_path());
}

// The bundled model: strings with their ids, and the prompts of its reference.
class BundledModel : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* place : {"models/needle-5m", "../shared/models/needle-5m"}) {
      folder_ = SourcePath(place);
      if (fs::exists(folder_ / "tokenizer.json") &&
          fs::exists(folder_ / "reference/expected.json")) {
        const Result<Tokenizer> loaded = Tokenizer::Load(folder_);
        ASSERT_TRUE(loaded.ok()) << loaded.status().message();
        tokenizer_ = *loaded;
        return;
      }
    }
    GTEST_SKIP() << "the bundled model is not here";
  }

  std::string Read(const fs::path& name) const {
    return ReadMaybeGzip(folder_ / "reference" / name).value_or("");
  }

  fs::path folder_;
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(BundledModel, EncodesTheVectors) {
  const std::string vectors = Read("tokenizer_vectors.json");
  if (vectors.empty()) GTEST_SKIP() << "the bundled model has no tokenizer_vectors.json";
  const auto cases = nlohmann::json::parse(vectors);
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
