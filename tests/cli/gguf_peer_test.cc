// GGUF files that quarry writes, read by llama.cpp: it must load them, encode texts to the same
// tokens and continue prompts with the same ones.
//
// Needs node and the npm packages node-llama-cpp and @node-llama-cpp/<platform> in the folder that
// QUARRY_PEER_DIR names (docs/testing.md); skips where they are not.

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

constexpr int kNewTokens = 12;

std::string Joined(const nlohmann::json& ids) {
  std::string out;
  for (const auto& id : ids) out += (out.empty() ? "" : ",") + std::to_string(id.get<int>());
  return out;
}

TEST(GgufPeer, LlamaCppGivesTheSameGreedyTokens) {
  const char* peer = std::getenv("QUARRY_PEER_DIR");
  if (peer == nullptr || !fs::exists(fs::path(peer) / "node_modules/node-llama-cpp")) {
    GTEST_SKIP() << "QUARRY_PEER_DIR names no folder with node-llama-cpp";
  }
  const fs::path model = SourcePath("models/needle-5m");
  const auto expected =
      nlohmann::json::parse(*ReadFile(model / "reference/expected.json", uint64_t{64} << 20));
  std::vector<nlohmann::json> prompts;
  for (const auto& p : expected["prompts"]) {
    if (p["prompt_ids"].size() < 400) prompts.push_back(p);
  }
  ASSERT_GT(prompts.size(), 3u);
  const TempDir dir;
  for (const char* type : {"f16", "q8_0", "q4_0", "q4_k"}) {
    SCOPED_TRACE(type);
    const std::string file = (dir.path() / (std::string(type) + ".gguf")).string();
    ASSERT_EQ(Quarry({"convert", model.string(), file, "--type", type}).exit_code, 0);
    std::vector<std::string> command = {
        "/usr/bin/env", "node", SourcePath("tests/peer/greedy.mjs").string(),
        peer,           file,   std::to_string(kNewTokens)};
    for (const auto& p : prompts) command.push_back(Joined(p["prompt_ids"]));
    const ProcessResult theirs = RunProcess(command);
    ASSERT_EQ(theirs.exit_code, 0) << theirs.err;
    std::istringstream lines(theirs.out);
    for (const auto& p : prompts) {
      std::string line;
      ASSERT_TRUE(std::getline(lines, line)) << theirs.err;
      const auto them = nlohmann::json::parse(line);
      EXPECT_EQ(them["encoded"], p["prompt_ids"]) << p["prompt_file"];
      const fs::path text = model / "reference" / p["prompt_file"].get<std::string>();
      const ProcessResult ours = Quarry({"run", "-m", file, "--raw", "-f", text.string(), "-n",
                                         std::to_string(kNewTokens), "--ignore-eos", "--json"});
      ASSERT_EQ(ours.exit_code, 0) << ours.err;
      const auto us = nlohmann::json::parse(ours.out)["token_ids"].get<std::vector<int>>();
      auto want = them["ids"].get<std::vector<int>>();
      // llama.cpp stops behind an end token.
      ASSERT_FALSE(want.empty());
      ASSERT_LE(want.size(), us.size());
      EXPECT_EQ(std::vector<int>(us.begin(), us.begin() + static_cast<ptrdiff_t>(want.size())),
                want)
          << p["prompt_file"];
    }
  }
}

}  // namespace
}  // namespace quarry
