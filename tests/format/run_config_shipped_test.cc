// Every configuration file that the original projects ship: eight of them as files in
// tests/format/data, all of them rebuilt from the facts in which they differ.
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/config.h"

#include "tests/support/paths.h"

namespace quarry {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

RunConfig Load(std::string_view name) {
  const auto path = SourcePath(fmt::format("tests/format/data/{}.yaml", name));
  Result<RunConfig> config = LoadRunConfig(path);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : RunConfig();
}

TEST(ShippedFiles, InfLlm) {
  RunConfig c = Load("mistral-inf-llm-fattn");
  EXPECT_EQ(c.model_path, "mistralai/Mistral-7B-Instruct-v0.2");
  EXPECT_EQ(c.rope_base, 1e6);
  EXPECT_EQ(c.conv_type, "mistral-inst");
  EXPECT_EQ(c.max_len, 2147483647);
  EXPECT_EQ(c.chunk_size, 8192);
  const auto& a = std::get<InfLlmConfig>(c.attention.methods.prefill);
  EXPECT_EQ(a.block_size, 128);
  EXPECT_EQ(a.n_local, 4096);
  EXPECT_EQ(a.topk, 16);
  EXPECT_EQ(a.repr_topk, 4);
  EXPECT_EQ(a.exc_block_size, 512);
  EXPECT_THAT(c.notes,
              ElementsAre("model.fattn: no effect on a CPU", "model.pin_memory: no effect on a CPU",
                          "model.async_global_stream: no effect on a CPU"));

  // More blocks than cache slots, and a decay that its strategy does not use.
  c = Load("mistral-inf-llm-12k");
  EXPECT_EQ(std::get<InfLlmConfig>(c.attention.methods.prefill).topk, 64);
  EXPECT_EQ(std::get<InfLlmConfig>(c.attention.methods.prefill).max_cached_block, 64);
  EXPECT_THAT(c.notes, Contains("model.max_cached_block: 32 raised to topk (64)"));
  EXPECT_THAT(c.notes, Contains("model.score_decay: not used by cache_strategy lru"));

  c = Load("qwen-4b-inf-llm");
  EXPECT_EQ(c.chunk_size, 2048);
  EXPECT_EQ(c.conv_type, "qwen");
  EXPECT_THAT(c.notes, Contains("model.faiss: no effect on a CPU"));
}

TEST(ShippedFiles, BaselinesAndQLlm) {
  RunConfig c = Load("mistral-pi");
  EXPECT_EQ(Describe(c.attention), "dense");
  EXPECT_EQ(c.distance_scale, 0.25);
  EXPECT_EQ(c.max_len, 131072);
  EXPECT_EQ(c.truncation, Truncation::kSuffix);

  c = Load("vicuna-stream-llm");
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.prefill).n_local, 3968);

  c = Load("llama3-infinite-lm-512");
  EXPECT_EQ(std::get<InfiniteLmConfig>(c.attention.methods.prefill).n_local, 512);
  EXPECT_THAT(c.notes, Contains("model.exc_block_size: not used by infinite-lm"));

  c = Load("llama3-qllm-repr4-l256-bs64-topk4-w4");
  EXPECT_EQ(std::get<QLlmConfig>(c.attention.methods.prefill).question_weight, 4.0);
  EXPECT_EQ(std::get<QLlmConfig>(c.attention.methods.prefill).n_local, 256);
  EXPECT_EQ(c.conv_type, "llama-3-inst");

  c = Load("tinyLlama-1.1B");
  EXPECT_EQ(c.max_len, 100000);
  EXPECT_EQ(c.chunk_size, 4096);
  EXPECT_EQ(std::get<QLlmConfig>(c.attention.methods.prefill).question_weight, 1.0);
}

struct Memory {
  std::string name, type, model, conv_type;
  int64_t base;
  int64_t block_size, n_init, n_local, topk, repr_topk, max_cached, exc;
  int64_t chunk;
  std::string extra;  // further lines of the model map
};

// type, model, conv_type, base, n_init 128, repr_topk 4, 32 cached blocks, chunk_size 8192.
Memory Usual(std::string name, std::string type, std::string model, std::string conv_type,
             int64_t base, int64_t bs, int64_t nl, int64_t k, int64_t exc, std::string extra) {
  return {std::move(name),
          std::move(type),
          std::move(model),
          std::move(conv_type),
          base,
          bs,
          128,
          nl,
          k,
          4,
          32,
          exc,
          8192,
          std::move(extra)};
}

std::vector<Memory> MemoryFiles() {
  const std::string off = "  fattn: false\n", on = "  fattn: true\n";
  const std::string mistral = "mistralai/Mistral-7B-Instruct-v0.2";
  std::vector<Memory> files = {
      Usual("llama-3-inf-llm", "inf-llm", "meta-llama/Meta-Llama-3-8B-Instruct", "llama-3-inst",
            500000, 128, 4096, 16, 512, off),
      Usual("minicpm-inf-llm", "inf-llm", "openbmb/MiniCPM-2B-sft-bf16", "minicpm", 10000, 128,
            2048, 16, 512, off),
      Usual("mistral-inf-llm", "inf-llm", mistral, "mistral-inst", 1000000, 128, 4096, 16, 512,
            off),
      Usual("mistral-inf-llm-fattn", "inf-llm", mistral, "mistral-inst", 1000000, 128, 4096, 16,
            512, on + "  pin_memory: true\n  async_global_stream: true\n"),
      Usual("mistral-inf-llm-12k", "inf-llm", mistral, "mistral-inst", 1000000, 128, 4096, 64, 512,
            on + "  score_decay: 0.1\n"),
      Usual("vicuna-inf-llm", "inf-llm", "lmsys/vicuna-7b-v1.5", "vicuna", 10000, 128, 2048, 16,
            512, on + "  score_decay: 0.1\n"),
      Usual("llama-3-smol-inf-llm", "inf-llm", "meta-llama/Llama-3.2-3B-Instruct", "llama-3-inst",
            500000, 128, 4096, 16, 512, off),
  };
  for (const char* model : {"Qwen/Qwen1.5-7B-Chat", "Qwen/Qwen1.5-4B-Chat"}) {
    for (const auto& [n_local, extra] :
         {std::pair(4096, off), {4096, off + "  faiss: true\n"}, {512, off}}) {
      Memory qwen = Usual(fmt::format("{} {}", model, n_local), "inf-llm", model, "qwen", 1000000,
                          128, n_local, 16, 512, extra);
      qwen.chunk = 2048;
      files.push_back(qwen);
    }
  }
  struct Shape {
    const char* name;
    int64_t bs, nl, k, exc;
  };
  for (const Shape& s :
       {Shape{"l256-bs64-topk4", 64, 256, 4, 256}, Shape{"l512-bs64-topk8", 64, 512, 8, 512},
        Shape{"l1k-bs128-topk8", 128, 1024, 8, 512}}) {
    for (bool llama : {true, false}) {
      const std::string model =
          llama ? "./models/Meta-Llama-3-8B-Instruct" : "./models/Mistral-7B-Instruct-v0.2";
      const std::string conv = llama ? "llama-3-inst" : "mistral-inst";
      const int64_t base = llama ? 500000 : 1000000;
      files.push_back(Usual(fmt::format("{} inf-llm {}", model, s.name), "inf-llm", model, conv,
                            base, s.bs, s.nl, s.k, s.exc, off));
      files.push_back(Usual(fmt::format("{} qllm {}", model, s.name), "qllm", model, conv, base,
                            s.bs, s.nl, s.k, s.exc,
                            off + (llama ? "  question_weight: 4\n" : "  question_weight: 1.0\n")));
    }
  }
  // The forks: less of everything.
  const std::string weight = off + "  question_weight: 1.0\n";
  const std::string llama3 = "meta-llama/Meta-Llama-3-8B-Instruct";
  const std::string conv = "llama-3-inst";
  for (const char* type : {"inf-llm", "qllm"}) {
    files.push_back(
        {"High", type, llama3, conv, 500000, 64, 128, 512, 8, 4, 32, 512, 8192, weight});
    files.push_back(
        {"Medium", type, llama3, conv, 500000, 64, 64, 512, 2, 2, 8, 512, 2048, weight});
    files.push_back({"Low", type, llama3, conv, 500000, 32, 32, 256, 1, 1, 4, 256, 1024, weight});
  }
  return files;
}

TEST(ShippedFiles, EveryMemoryConfigurationLoads) {
  for (const Memory& f : MemoryFiles()) {
    SCOPED_TRACE(f.name);
    const std::string yaml = fmt::format(
        "model:\n  type: {}\n  path: {}\n  block_size: {}\n  n_init: {}\n  n_local: {}\n"
        "  topk: {}\n  repr_topk: {}\n  max_cached_block: {}\n  exc_block_size: {}\n  base: {}\n"
        "  distance_scale: 1.0\n{}\nmax_len: 2147483647\nchunk_size: {}\nconv_type: {}\n",
        f.type, f.model, f.block_size, f.n_init, f.n_local, f.topk, f.repr_topk, f.max_cached,
        f.exc, f.base, f.extra, f.chunk, f.conv_type);
    const auto config = ParseRunConfig(yaml, f.name);
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->model_path, f.model);
    EXPECT_EQ(config->conv_type, f.conv_type);
    EXPECT_EQ(config->chunk_size, f.chunk);
    EXPECT_EQ(config->rope_base, static_cast<double>(f.base));
    EXPECT_EQ(MethodName(config->attention.methods.prefill), f.type);
    const InfLlmConfig& a = f.type == "qllm"
                                ? std::get<QLlmConfig>(config->attention.methods.prefill)
                                : std::get<InfLlmConfig>(config->attention.methods.prefill);
    EXPECT_EQ(a.block_size, f.block_size);
    EXPECT_EQ(a.n_init, f.n_init);
    EXPECT_EQ(a.n_local, f.n_local);
    EXPECT_EQ(a.topk, f.topk);
    EXPECT_EQ(a.repr_topk, f.repr_topk);
    EXPECT_EQ(a.exc_block_size, f.exc);
    EXPECT_EQ(a.max_cached_block, std::max(f.max_cached, f.topk));
    EXPECT_THAT(config->notes, Each(HasSubstr("model.")));
  }
}

TEST(ShippedFiles, EveryWindowConfigurationLoads) {
  struct Row {
    std::string type, model, conv_type;
    int64_t n_local, base;
    std::string extra;
  };
  std::vector<Row> rows;
  for (std::string type : {"stream-llm", "infinite-lm"}) {
    rows.push_back(
        {type, "mistralai/Mistral-7B-Instruct-v0.2", "mistral-inst", 6144, 1000000, "fattn: true"});
    rows.push_back({type, "lmsys/vicuna-7b-v1.5", "vicuna", 3968, 10000, "fattn: true"});
    for (int64_t n_local : {512, 1024, 2048}) {
      rows.push_back({type, "./models/Mistral-7B-Instruct-v0.2", "mistral-inst", n_local, 1000000,
                      "fattn: true"});
      rows.push_back(
          {type, "./models/Meta-Llama-3-8B-Instruct", "llama-3-inst", n_local, 500000,
           type == "infinite-lm" ? "exc_block_size: 512\n  fattn: false" : "fattn: false"});
    }
  }
  for (const Row& row : rows) {
    const std::string yaml = fmt::format(
        "model:\n  type: {}\n  path: {}\n  n_init: 128\n  n_local: {}\n  base: {}\n"
        "  distance_scale: 1.0\n  {}\nmax_len: 2147483647\nchunk_size: 8192\nconv_type: {}\n",
        row.type, row.model, row.n_local, row.base, row.extra, row.conv_type);
    const auto config = ParseRunConfig(yaml, "f");
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(Describe(config->attention), row.type);
  }
}

TEST(ShippedFiles, EveryDenseConfigurationLoads) {
  struct Row {
    std::string_view model, conv_type, base, distance_scale, max_len, chunk;
  };
  constexpr std::string_view kMistral = "mistralai/Mistral-7B-Instruct-v0.2";
  for (const Row& row : {
           Row{kMistral, "mistral-inst", "1000000", "1.0", "32768", "8192"},
           Row{kMistral, "mistral-inst", "10000000", "1.0", "131072", "8192"},
           Row{kMistral, "mistral-inst", "1000000", "0.25", "131072", "8192"},
           Row{"lmsys/vicuna-7b-v1.5", "vicuna", "10000", "1.0", "4096", "4096"},
       }) {
    const std::string yaml = fmt::format(
        "model:\n  type: origin\n  path: {}\n  fattn: true\n  base: {}\n  distance_scale: {}\n"
        "max_len: {}\nchunk_size: {}\nconv_type: {}\ntruncation: suffix\n",
        row.model, row.base, row.distance_scale, row.max_len, row.chunk, row.conv_type);
    const auto config = ParseRunConfig(yaml, "f");
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(Describe(config->attention), "dense");
    EXPECT_EQ(config->truncation, Truncation::kSuffix);
  }
}

}  // namespace
}  // namespace quarry
