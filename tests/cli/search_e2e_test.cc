// quarry search, and the method that reads what it writes.

#include <algorithm>

#include <gtest/gtest.h>

#include "quarry/pattern_table.h"

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

const std::string kModel = SourcePath("models/needle-5m").string();

std::vector<std::string> Search(const std::filesystem::path& output) {
  return {"search", "-m", kModel, "-o", output.string(), "--tokens", "700"};
}

TEST(SearchCommand, WritesWhatMInferenceReads) {
  const TempDir dir;
  const auto path = dir.path() / "p.json";
  const ProcessResult r = Quarry(Search(path));
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_NE(r.out.find("vertical_and_slash"), std::string::npos) << r.out;
  const auto table = ReadPatternTable(path);
  ASSERT_TRUE(table.ok()) << table.status().message();
  for (const auto& layer : table->layers) {
    EXPECT_EQ(layer.size(), static_cast<size_t>(table->heads()));
    for (const auto& [head, p] : layer) {
      EXPECT_EQ(p.type, HeadPatternType::kVerticalSlash);
      EXPECT_GT(p.score, 0.2);
      EXPECT_LT(p.score, 1.001);
    }
  }
  const ProcessResult run = Quarry(
      {"run", "-m", kModel, "--method", "minference", "--set", "pattern_file=" + path.string(),
       "-p",
       "The pass key is 53817. Remember it. 53817 is the pass key.\n\nWhat is the pass key?"});
  EXPECT_EQ(run.out, "53817\n") << run.err;
}

// Cut off after two layers, the file becomes what an undisturbed search writes.
TEST(SearchCommand, GoesOnBehindTheLastLayer) {
  const TempDir dir;
  const auto whole = dir.path() / "whole.json", part = dir.path() / "part.json";
  ASSERT_EQ(Quarry(Search(whole)).exit_code, 0);
  auto table = ReadPatternTable(whole);
  ASSERT_TRUE(table.ok());
  const auto want = table->layers;
  table->layers.resize(2);
  ASSERT_TRUE(WritePatternTable(part, *table).ok());
  const std::string note = part.string() + ".search";
  ASSERT_TRUE(WriteFileAtomically(note, "model 0123456789abcdef\n").ok());
  const ProcessResult other = Quarry(Search(part));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.err.find("was begun with \"model 0123456789abcdef\""), std::string::npos)
      << other.err;
  std::filesystem::remove(note);

  const ProcessResult r = Quarry(Search(part));
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(ReadPatternTable(part)->layers, want);

  const ProcessResult again = Quarry(Search(part));
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_NE(again.err.find("nothing is left to search"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find(part.string()), std::string::npos);
}

TEST(SearchCommand, RefusesFilesOfOtherModels) {
  const TempDir dir;
  const auto path = dir.path() / "p.json";
  PatternTable table;
  table.layers = {{{0, {}}, {31, {}}}};
  ASSERT_TRUE(WritePatternTable(path, table).ok());
  const ProcessResult r = Quarry(Search(path));
  EXPECT_EQ(r.exit_code, 2);
  EXPECT_NE(r.err.find("has 32 heads, must have 4"), std::string::npos) << r.err;

  const ProcessResult run = Quarry({"run", "-m", kModel, "--method", "minference", "--set",
                                    "pattern_file=" + path.string(), "-p", "x"});
  EXPECT_EQ(run.exit_code, 5);
  EXPECT_NE(run.err.find("has 1 layers, must have 6"), std::string::npos) << run.err;

  ASSERT_TRUE(WriteFileAtomically(path, "[{\"0\": 5}]").ok());
  const ProcessResult broken = Quarry({"run", "-m", kModel, "--method", "minference", "--set",
                                       "pattern_file=" + path.string(), "-p", "x"});
  EXPECT_EQ(broken.exit_code, 4);
  EXPECT_NE(broken.err.find("layer 0, head 0 is 5"), std::string::npos) << broken.err;
}

TEST(SearchCommand, RefusesBadOptions) {
  const TempDir dir;
  const auto fails = [&](std::vector<std::string> more, const char* what) {
    std::vector<std::string> args = {"search", "-m", kModel, "-o", (dir.path() / "p").string()};
    args.insert(args.end(), more.begin(), more.end());
    const ProcessResult r = Quarry(args);
    EXPECT_EQ(r.exit_code, 2);
    EXPECT_NE(r.err.find(what), std::string::npos) << r.err;
  };
  fails({"--tokens", "10"}, "tokens is 10, must be between 256 and");
  fails({"--objective", "speed"}, "--objective is speed, must be recall or output");
}

TEST(PrefillMethods, AnswerFromThePrompt) {
  for (const char* method : {"minference", "flexprefill", "a-shape", "tri-shape"}) {
    const ProcessResult r = Quarry(
        {"run", "-m", kModel, "--method", method, "-p",
         "The pass key is 53817. Remember it. 53817 is the pass key.\n\nWhat is the pass key?"});
    EXPECT_EQ(r.out, "53817\n") << method << ": " << r.err;
  }
}

TEST(PrefillMethods, RefuseByNameWithValueAndLimit) {
  const auto fails = [&](const char* method, const char* set, const char* what) {
    const ProcessResult r =
        Quarry({"run", "-m", kModel, "--method", method, "--set", set, "-p", "x"});
    EXPECT_EQ(r.exit_code, 2) << set;
    EXPECT_NE(r.err.find(what), std::string::npos) << r.err;
  };
  fails("flexprefill", "gamma=1.5", "flexprefill: gamma is 1.5, must be above 0 and at most 1");
  fails("flexprefill", "block_size=48", "block_size is 48, must be 16, 32, 64 or 128");
  fails("flexprefill", "selection=best", "selection");
  fails("minference", "coverage=0", "minference: coverage is 0, must be above 0 and at most 1");
  fails("a-shape", "n_local=0", "a-shape: n_local is 0, must be between 1");
}

}  // namespace
}  // namespace quarry
