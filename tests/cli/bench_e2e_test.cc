// quarry bench, and the recording that it measures on. Times are not looked at.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "format/qkv_file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

const std::string kModel = SourcePath("models/needle-5m").string();

std::vector<nlohmann::json> ReadLines(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A prompt of `words` words in `dir`.
std::string PromptFile(const TempDir& dir, int words) {
  std::string text;
  for (int i = 0; i < words; ++i) text += i % 7 == 0 ? "river " : "stone ";
  const auto path = dir.path() / "p.txt";
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return path.string();
}

std::vector<std::string> Dump(const std::string& prompt, const std::string& layer,
                              const std::string& file) {
  return {"run", "-m", kModel, "--raw", "-n", "1", "-f", prompt, "--dump-qkv", layer, file};
}

TEST(BenchCommand, ComparesMethodsOnOneLayer) {
  const TempDir dir;
  const auto json = dir.path() / "a.jsonl", svg = dir.path() / "a.svg";
  const ProcessResult r = Quarry({"bench", "attention", "--lengths", "1024", "--methods",
                                  "dense,quest", "--set", "quest.token_budget=256", "--max-seconds",
                                  "1", "--json", json.string(), "--svg", svg.string()});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_TRUE(Has(r.out, "Peaks measured now: f32")) << r.out;
  EXPECT_TRUE(Has(r.out, "### prefill") && Has(r.out, "### decode")) << r.out;
  const auto rows = ReadLines(json);
  ASSERT_EQ(rows.size(), 4u);  // machine; dense reads; dense and quest decode
  EXPECT_EQ(rows[0].at("table"), "machine");
  EXPECT_EQ(rows[1].at("method"), "dense");
  EXPECT_EQ(rows[1].at("speed-up"), 1);
  EXPECT_EQ(rows[1].at("error"), 0);
  const nlohmann::json& quest = rows[3];
  EXPECT_EQ(quest.at("table"), "decode");
  EXPECT_EQ(quest.at("method"), "quest");
  // 16 pages of 16 of some 1,010 tokens.
  EXPECT_NEAR(quest.at("density %").get<double>(), 25, 1);
  EXPECT_GT(quest.at("error").get<double>(), 0);
  EXPECT_LT(quest.at("error").get<double>(), 0.5);
  EXPECT_GT(quest.at("select ms").get<double>(), 0);
  EXPECT_TRUE(std::filesystem::file_size(svg) > 1000);
}

TEST(BenchCommand, MeasuresAModelAtGrowingLengths) {
  const TempDir dir;
  const auto json = dir.path() / "l.jsonl", svg = dir.path() / "l.svg";
  const ProcessResult r = Quarry(
      {"bench", "latency", "-m", kModel, "--lengths", "64,128", "--methods", "dense,inf-llm",
       "--new-tokens", "2", "--max-seconds", "1", "--json", json.string(), "--svg", svg.string()});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  for (const char* table : {"prefill, seconds", "decode, milliseconds a token", "peak memory, MiB",
                            "density, %", "speed-up over dense"}) {
    EXPECT_TRUE(Has(r.out, std::string(table) + "\n\n| tokens | dense | inf-llm |")) << r.out;
  }
  const auto rows = ReadLines(json);
  ASSERT_EQ(rows.size(), 5u);
  for (size_t i = 1; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].at("outcome"), "measured");
    EXPECT_GT(rows[i].at("prefill_seconds").get<double>(), 0);
    EXPECT_GT(rows[i].at("decode_ms_per_token").get<double>(), 0);
  }
  EXPECT_TRUE(Has(*ReadFile(svg, 1 << 20), "inf-llm"));
}

TEST(BenchCommand, SaysWhichKeysOfAFileHaveNoEffect) {
  const TempDir dir;
  const auto file = dir.path() / "d.yaml";
  ASSERT_TRUE(WriteFileAtomically(file, "model: {type: tova, path: x}\nmax_len: 100\n").ok());
  const ProcessResult r = Quarry({"bench", "latency", "-m", kModel, "--lengths", "64", "-c",
                                  "d=" + file.string(), "--new-tokens", "2", "--max-seconds", "1"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_TRUE(Has(r.err, "d: max_len: no effect here")) << r.err;
}

TEST(BenchCommand, StopsAtTheLimitOfACellAndSaysSo) {
  const ProcessResult r = Quarry({"bench", "latency", "-m", kModel, "--lengths", "8K,16K",
                                  "--methods", "dense", "--max-seconds", "0.01"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_TRUE(Has(r.out, "| 8K | > 0.01 |")) << r.out;
  EXPECT_FALSE(Has(r.out, "| 16K |")) << r.out;
  // Dense attention does not extend the model's 2,048 tokens.
  EXPECT_TRUE(Has(r.out, "times and memory only")) << r.out;
}

TEST(BenchCommand, KeepsWhatWasMeasuredWhenInterrupted) {
  const ProcessResult r = Quarry({"bench", "latency", "-m", kModel, "--methods", "dense",
                                  "--lengths", "64,1M", "--max-seconds", "500"},
                                 {.interrupt_after_s = 4});
  EXPECT_EQ(r.exit_code, 130) << r.err;
  EXPECT_TRUE(Has(r.err, "stopped")) << r.err;
}

TEST(BenchCommand, RefusesByNameValueAndLimit) {
  const auto fails = [](std::vector<std::string> args, const std::string& what) {
    args.insert(args.begin(), "bench");
    const ProcessResult r = Quarry(args);
    EXPECT_EQ(r.exit_code, 2) << what;
    EXPECT_TRUE(Has(r.err, what)) << r.err;
    EXPECT_EQ(r.out, "");
  };
  fails({"attention", "--lengths", "10"}, "lengths has 10, must be between 64 and");
  fails({"attention", "--methods", "quest,quest"}, "--methods has quest twice");
  fails({"attention", "--methods", "dense=quest"}, "dense is the name of dense attention");
  fails({"attention", "--methods", "qest"}, "quest");
  fails({"attention", "--heads", "3"}, "kv_heads is 2, must divide the 3 heads");
  fails({"attention", "-t", "-1"}, "threads is -1, must be between 1 and 1024");
  fails({"kernels", "--isa", "sse9"}, "sse9");
  fails({"latency", "--lengths", "64"}, "no model");
  fails({}, "subcommand");
  EXPECT_EQ(Quarry({"bench", "attention", "--json", "/nonexistent/x.jsonl"}).exit_code, 3);
}

TEST(DumpQkv, IsWhatBenchAttentionMeasuresOn) {
  const TempDir dir;
  const std::string file = (dir.path() / "layer.safetensors").string();
  const ProcessResult run = Quarry(Dump(PromptFile(dir, 700), "2", file));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto opened = SafetensorsFile::Open(file);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const auto info = ReadQkvInfo(*opened);
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->model, "needle-5m");
  EXPECT_EQ(info->layer, 2);
  EXPECT_EQ(info->native_context, 2048);
  EXPECT_EQ(info->head_dim, 64);
  EXPECT_EQ(info->rope.size(), 32u);
  EXPECT_EQ(info->rope[0], 1);

  const auto json = dir.path() / "a.jsonl";
  const ProcessResult r =
      Quarry({"bench", "attention", "--qkv", file, "--lengths", "512", "--methods", "dense,a-shape",
              "--set", "a-shape.n_local=64", "--max-seconds", "1", "--json", json.string()});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_TRUE(Has(r.out, "layer 2 of needle-5m, 4 query heads of 64 over 2 KV heads")) << r.out;
  const auto rows = ReadLines(json);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[2].at("method"), "a-shape");
  EXPECT_LT(rows[2].at("density %").get<double>(), 70);
  EXPECT_GT(rows[2].at("error").get<double>(), 0);

  const ProcessResult longer = Quarry({"bench", "attention", "--qkv", file, "--lengths", "1M"});
  EXPECT_EQ(longer.exit_code, 2);
  EXPECT_TRUE(Has(longer.err, "the tokens of the recording")) << longer.err;
}

// The rows of a prompt in chunks are those of the prompt at once: what is recorded comes before
// attention's own approximations, in layer 0 at least.
TEST(DumpQkv, DoesNotDependOnChunks) {
  const TempDir dir;
  const std::string prompt = PromptFile(dir, 300);
  std::vector<QkvRows> rows;
  for (const char* chunk : {"512", "7"}) {
    const std::string file = (dir.path() / chunk).string();
    std::vector<std::string> args = Dump(prompt, "0", file);
    args.insert(args.end(), {"--chunk-size", chunk});
    ASSERT_EQ(Quarry(args).exit_code, 0);
    const auto opened = SafetensorsFile::Open(file);
    ASSERT_TRUE(opened.ok());
    const auto info = ReadQkvInfo(*opened);
    ASSERT_TRUE(info.ok());
    rows.push_back(*ReadQkvRows(*opened, *info, info->tokens));
  }
  ASSERT_EQ(rows[0].k.size(), rows[1].k.size());
  // Products of the same rows by another blocking: sums of 256 terms, relative to their size.
  for (size_t i = 0; i < rows[0].k.size(); ++i) {
    ASSERT_NEAR(rows[0].k[i], rows[1].k[i], 1e-3) << i;
    ASSERT_NEAR(rows[0].v[i], rows[1].v[i], 1e-3) << i;
  }
}

TEST(DumpQkv, RefusesLayersAndFoldersThatDoNotExist) {
  const TempDir dir;
  const std::string prompt = PromptFile(dir, 10);
  const ProcessResult layer = Quarry(Dump(prompt, "6", (dir.path() / "x").string()));
  EXPECT_EQ(layer.exit_code, 2);
  EXPECT_TRUE(Has(layer.err, "layer is 6, must be between 0 and 5")) << layer.err;
  const ProcessResult folder = Quarry(Dump(prompt, "0", (dir.path() / "no" / "x").string()));
  EXPECT_EQ(folder.exit_code, 3);
  EXPECT_TRUE(Has(folder.err, "no/x")) << folder.err;
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "x"));
}

TEST(DumpQkv, LeavesNothingWhenInterrupted) {
  const TempDir dir;
  const std::string prompt = PromptFile(dir, 60000);
  std::filesystem::create_directory(dir.path() / "out");
  const ProcessResult r =
      Quarry(Dump(prompt, "1", (dir.path() / "out" / "x").string()), {.interrupt_after_s = 1.5});
  EXPECT_EQ(r.exit_code, 130) << r.err;
  EXPECT_TRUE(std::filesystem::is_empty(dir.path() / "out"));
}

TEST(BenchCommand, RefusesBrokenRecordings) {
  const TempDir dir;
  const std::string file = (dir.path() / "layer.safetensors").string();
  ASSERT_EQ(Quarry(Dump(PromptFile(dir, 60), "0", file)).exit_code, 0);
  const std::string good = *ReadFile(file, 1 << 26);
  const auto fails = [&](std::string bytes, const std::string& what) {
    ASSERT_TRUE(WriteFileAtomically(file, bytes).ok());
    const ProcessResult r = Quarry({"bench", "attention", "--qkv", file});
    EXPECT_EQ(r.exit_code, 4) << what;
    EXPECT_TRUE(Has(r.err, what) && Has(r.err, file)) << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  };
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    bytes.replace(bytes.find(from), from.size(), to);
    return bytes;
  };
  fails(good.substr(0, good.size() - 4), "layer.safetensors");
  fails(good.substr(0, 5), "layer.safetensors");
  fails(with("\"heads\":\"4\"", "\"heads\":\"8\""), "must be [");
  fails(with("quarry-qkv", "quarry-abc"), "format is \"quarry-abc\"");
  const ProcessResult model =
      Quarry({"bench", "attention", "--qkv", kModel + "/model.safetensors"});
  EXPECT_EQ(model.exit_code, 4);
  EXPECT_TRUE(Has(model.err, "format")) << model.err;
}

}  // namespace
}  // namespace quarry
