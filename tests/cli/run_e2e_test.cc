// The quarry command as a user meets it.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

const std::string kModel = SourcePath("models/needle-5m").string();

ProcessResult QuarryRun(std::vector<std::string> args, const ProcessOptions& options = {}) {
  args.insert(args.begin(), {"run", "-m", kModel});
  return Quarry(std::move(args), options);
}

const std::string kPassKey =
    "The pass key is 53817. Remember it. 53817 is the pass key.\n\nWhat is the pass key?";

size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(RunCommand, AnswersOnStandardOutputAlone) {
  const ProcessResult r = QuarryRun({"-p", kPassKey});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "53817\n");
  EXPECT_EQ(r.err, "");
}

TEST(RunCommand, ReadsPromptsFromFilesAndStandardInput) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "p.txt", kPassKey).ok());
  EXPECT_EQ(QuarryRun({"-f", (dir.path() / "p.txt").string()}).out, "53817\n");
  EXPECT_EQ(QuarryRun({"-"}, {.input = kPassKey}).out, "53817\n");
  EXPECT_EQ(QuarryRun({"-f", "-"}, {.input = kPassKey}).out, "53817\n");
}

TEST(RunCommand, AsksAboutADocument) {
  const ProcessResult r =
      QuarryRun({"--document", "-", "--question", "What is the pass key?", "--stats"},
                {.input = "The pass key is 53817. Remember it. 53817 is the pass key."});
  EXPECT_EQ(r.out, "53817\n");
  EXPECT_NE(r.err.find("density   100.00 %"), std::string::npos) << r.err;
}

TEST(RunCommand, RawSkipsTheChatTemplate) {
  const ProcessResult r = QuarryRun({"--raw", "-p",
                                     "The pass key is 53817. Remember it. 53817 is the "
                                     "pass key.\nThe pass key is",
                                     "-n", "6"});
  EXPECT_EQ(r.out.substr(0, 6), " 53817") << r.out << r.err;
}

TEST(RunCommand, JsonHasEveryField) {
  const ProcessResult r = QuarryRun({"-p", kPassKey, "--json"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(Lines(r.out), 1u);
  const auto j = nlohmann::json::parse(r.out);
  EXPECT_EQ(j.at("text"), "53817");
  EXPECT_EQ(j.at("new_tokens"), j.at("token_ids").size());
  EXPECT_GT(j.at("prompt_tokens").get<int>(), 20);
  EXPECT_EQ(j.at("method"), "dense");
  EXPECT_EQ(j.at("stop_reason"), "eos");
  EXPECT_EQ(j.at("density"), 1.0);
  for (const char* key : {"prefill_seconds", "decode_seconds", "prefill_tokens_per_second",
                          "decode_tokens_per_second", "peak_rss_bytes", "kv_bytes"}) {
    EXPECT_GT(j.at(key).get<double>(), 0) << key;
  }
}

TEST(RunCommand, StopsAtStringsAndLengths) {
  EXPECT_EQ(QuarryRun({"-p", kPassKey, "--stop", "17"}).out, "538\n");
  const ProcessResult r = QuarryRun({"-p", kPassKey, "-n", "2", "--json"});
  EXPECT_EQ(nlohmann::json::parse(r.out).at("stop_reason"), "length");
  EXPECT_EQ(nlohmann::json::parse(r.out).at("new_tokens"), 2);
}

// Greedy text of every method on the same prompt, which fits every window: they agree with dense.
TEST(RunCommand, ShortPromptsGiveTheSameTextWithEveryMethod) {
  std::ifstream in(SourcePath("models/needle-5m/reference/expected.json"));
  const auto expected = nlohmann::json::parse(in).at("prompts").at(5);
  const std::string file =
      (SourcePath("models/needle-5m/reference") / expected.at("prompt_file").get<std::string>())
          .string();
  for (const char* method :
       {"dense", "stream-llm", "infinite-lm", "inf-llm", "origin", "quest", "h2o", "tova"}) {
    const ProcessResult r =
        QuarryRun({"-f", file, "--raw", "-n", "32", "--ignore-eos", "--json", "--method", method});
    ASSERT_EQ(r.exit_code, 0) << method << r.err;
    EXPECT_EQ(nlohmann::json::parse(r.out).at("token_ids"), expected.at("greedy_ids")) << method;
  }
}

TEST(RunCommand, AMethodThatNeedsTheQuestionIsNotRunWithoutIt) {
  const ProcessResult none = QuarryRun({"-p", kPassKey, "--method", "qllm"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_NE(none.err.find("qllm retrieves by the question"), std::string::npos) << none.err;
  const ProcessResult other =
      QuarryRun({"-p", kPassKey, "--method", "qllm", "--question", "Who are you?"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.err.find("\"Who are you?\" is not in the prompt"), std::string::npos)
      << other.err;
  // Behind a blank the first word is another token.
  const ProcessResult found = QuarryRun(
      {"-p", "The pass key is 53817. 53817 is the pass key.\nQuestion: What is the pass key?",
       "--method", "qllm", "--question", "What is the pass key?"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
}

TEST(RunCommand, OverridesReachTheMethodsOfLayers) {
  const ProcessResult r = QuarryRun(
      {"-p", kPassKey, "-n", "4", "--layers", "2-5=quest", "--set", "token_budget=32", "--stats"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.err.find("not used"), std::string::npos) << r.err;
  const ProcessResult refused =
      QuarryRun({"-p", kPassKey, "--layers", "2-5=quest", "--set", "token_budget=8"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("token_budget is 8"), std::string::npos) << refused.err;
  const ProcessResult nobody =
      QuarryRun({"-p", kPassKey, "-n", "4", "--layers", "2-5=quest", "--set", "gamma=0.5"});
  EXPECT_NE(nobody.err.find("gamma: not used by"), std::string::npos) << nobody.err;
}

TEST(RunCommand, AutoIsNotMixedWithMethods) {
  const ProcessResult r = QuarryRun({"-p", kPassKey, "--method", "auto", "--prefill", "a-shape"});
  EXPECT_EQ(r.exit_code, 2);
  EXPECT_NE(r.err.find("--method auto chooses both phases"), std::string::npos) << r.err;
}

TEST(RunCommand, EmptyInputIsRefused) {
  const ProcessResult file = QuarryRun({"-f", "/dev/null"});
  EXPECT_EQ(file.exit_code, 2);
  EXPECT_NE(file.err.find("/dev/null is empty"), std::string::npos) << file.err;
  const ProcessResult document = QuarryRun({"--document", "-", "--question", "What?"});
  EXPECT_EQ(document.exit_code, 2);
  EXPECT_NE(document.err.find("standard input is empty"), std::string::npos) << document.err;
}

TEST(RunCommand, SamplingIsFixedByTheSeed) {
  const std::vector<std::string> args = {"--raw", "-p",     "It was", "-n",
                                         "24",    "--temp", "1.2",    "--seed"};
  auto with_seed = [&](const char* seed) {
    auto a = args;
    a.emplace_back(seed);
    return QuarryRun(a).out;
  };
  EXPECT_EQ(with_seed("1"), with_seed("1"));
  EXPECT_NE(with_seed("1"), with_seed("2"));
}

TEST(RunCommand, GreedyTextDoesNotDependOnThreads) {
  const std::string book =
      ReadFile(SourcePath("data/pride_and_prejudice.txt"), 1 << 24)->substr(0, 30000);
  for (const char* method : {"dense", "inf-llm"}) {
    const auto run = [&](const char* threads) {
      return QuarryRun({"-f", "-", "--raw", "-n", "16", "--method", method, "-t", threads,
                        "--no-max-context-warning"},
                       {.input = book})
          .out;
    };
    const std::string one = run("1");
    EXPECT_EQ(one, run("2")) << method;
    EXPECT_EQ(one, run("5")) << method;
  }
}

TEST(RunCommand, WarnsOnceBeyondTheNativeContext) {
  const std::string book =
      ReadFile(SourcePath("data/pride_and_prejudice.txt"), 1 << 24)->substr(0, 12000);
  const auto run = [&](std::vector<std::string> args) {
    args.insert(args.end(), {"-f", "-", "-n", "2"});
    return QuarryRun(args, {.input = book}).err;
  };
  const std::string warned = run({});
  EXPECT_NE(warned.find("trained for 2048"), std::string::npos) << warned;
  EXPECT_EQ(Lines(warned), 1u);
  EXPECT_EQ(run({"--no-max-context-warning"}), "");
  EXPECT_EQ(run({"--method", "inf-llm"}), "");
}

struct BadInput {
  const char* name;
  std::vector<std::string> args;  // after `quarry`
  int exit_code;
  std::vector<const char*> message;  // fragments of the one line on standard error
};

class BadInputTest : public testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, IsOneClearLine) {
  const ProcessResult r = Quarry(GetParam().args);
  EXPECT_EQ(r.exit_code, GetParam().exit_code) << r.err;
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(Lines(r.err), 1u) << r.err;
  for (const char* fragment : GetParam().message) {
    EXPECT_NE(r.err.find(fragment), std::string::npos) << r.err;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadInputTest,
    testing::Values(
        BadInput{"no_model", {"run", "-p", "x"}, 2, {"no model"}},
        BadInput{"missing_model", {"run", "-m", "/nonexistent", "-p", "x"}, 3, {"/nonexistent"}},
        BadInput{"no_prompt", {"run", "-m", kModel}, 2, {"no prompt"}},
        BadInput{"two_prompts", {"run", "-m", kModel, "-p", "x", "-f", "y"}, 2, {"more than one"}},
        BadInput{"empty_prompt", {"run", "-m", kModel, "--raw", "-f", "/dev/null"}, 2, {"empty"}},
        BadInput{"missing_file", {"run", "-m", kModel, "-f", "/no/file"}, 3, {"/no/file"}},
        BadInput{"folder_as_file", {"run", "-m", kModel, "-f", "/"}, 2, {"/: is a folder"}},
        BadInput{"empty_prompt_text", {"run", "-m", kModel, "-p", ""}, 2, {"--prompt is empty"}},
        BadInput{"empty_file_name", {"run", "-m", kModel, "-f", ""}, 2, {"--file is empty"}},
        BadInput{"blank_question",
                 {"run", "-m", kModel, "--method", "qllm", "-p", "x", "--question", " "},
                 2,
                 {"--question is \" \", must have text"}},
        BadInput{"least_length",
                 {"run", "-m", kModel, "-p", "x", "-n", "-9223372036854775808"},
                 2,
                 {"max_new_tokens is -9223372036854775808, must be 0 or more"}},
        BadInput{"length_beyond_64_bits",
                 {"run", "-m", kModel, "-p", "x", "-n", "9223372036854775808"},
                 2,
                 {"9223372036854775808 must be an integer"}},
        BadInput{"negative_seed",
                 {"run", "-m", kModel, "-p", "x", "--seed", "-1"},
                 2,
                 {"-1 must be an integer between 0 and 18446744073709551615"}},
        BadInput{"seed_beyond_64_bits",
                 {"run", "-m", kModel, "-p", "x", "--seed", "18446744073709551616"},
                 2,
                 {"18446744073709551616 must be"}},
        BadInput{"search_seed", {"search", "-m", kModel, "-o", "x", "--seed", "-1"}, 2, {"-1"}},
        BadInput{"no_chunk",
                 {"run", "-m", kModel, "-p", "x", "--set", "chunk_size=0"},
                 2,
                 {"chunk_size is 0, must be between 1 and 1048576"}},
        BadInput{"chunk_too_large",
                 {"run", "-m", kModel, "-p", "x", "--chunk-size", "1048577"},
                 2,
                 {"chunk_size is 1048577"}},
        BadInput{"missing_tokenizer",
                 {"run", "-m", kModel, "-p", "x", "--set", "tokenizer_path=/nonexistent"},
                 3,
                 {"/nonexistent"}},
        BadInput{"key_of_both_phases",
                 {"run", "-m", kModel, "-p", "x", "--prefill", "flexprefill", "--decode", "quest",
                  "--set", "max_budget=4096", "--set", "target_coverage=0.9"},
                 2,
                 {"prefill.max_budget or decode.max_budget"}},
        BadInput{"no_seconds",
                 {"bench", "attention", "--max-seconds", "0"},
                 2,
                 {"--max-seconds: 0 must be above 0 seconds"}},
        BadInput{"inspect_context", {"inspect", kModel, "--context", "2048M"}, 2, {"2147483648"}},
        BadInput{"document_without_question",
                 {"run", "-m", kModel, "--document", "/dev/null"},
                 2,
                 {"--question"}},
        BadInput{"unknown_method",
                 {"run", "-m", kModel, "--method", "inf-lm", "-p", "x"},
                 2,
                 {"inf-lm", "inf-llm"}},
        BadInput{"unknown_key",
                 {"run", "-m", kModel, "--method", "inf-llm", "--set", "topkk=3", "-p", "x"},
                 2,
                 {"topkk", "topk"}},
        BadInput{
            "value_out_of_range",
            {"run", "-m", kModel, "--method", "inf-llm", "--set", "exc_block_size=5000", "-p", "x"},
            2,
            {"exc_block_size is 5000", "n_local"}},
        BadInput{"prefill_by_a_method_that_decodes",
                 {"run", "-m", kModel, "--prefill", "quest", "-p", "x"},
                 2,
                 {"prefill is quest", "quest only decodes"}},
        BadInput{"budget_below_a_page",
                 {"run", "-m", kModel, "--method", "quest", "--set", "token_budget=9", "-p", "x"},
                 2,
                 {"token_budget is 9", "page_size (16)"}},
        BadInput{"repr_above_block",
                 {"run", "-m", kModel, "--method", "inf-llm", "--set", "repr_topk=999", "-p", "x"},
                 2,
                 {"repr_topk is 999", "block_size"}},
        BadInput{"bad_option", {"run", "--modell", "x"}, 2, {"--modell"}},
        BadInput{"bad_number", {"run", "-m", kModel, "-p", "x", "-n", "many"}, 2, {"many"}},
        BadInput{"negative_length", {"run", "-m", kModel, "-p", "x", "-n", "-4"}, 2, {"-4"}},
        BadInput{"bad_temperature", {"run", "-m", kModel, "-p", "x", "--temp", "-1"}, 2, {"-1"}},
        BadInput{"bad_threads", {"run", "-m", kModel, "-p", "x", "-t", "-2"}, 2, {"threads", "-2"}},
        BadInput{"bad_dtype", {"run", "-m", kModel, "-p", "x", "--dtype", "f8"}, 2, {"f8"}},
        BadInput{"no_command", {"frobnicate"}, 2, {"frobnicate"}},
        BadInput{"inspect_nothing", {"inspect", "/nonexistent"}, 3, {"/nonexistent"}}),
    [](const auto& test) { return std::string(test.param.name); });

// A copy of the bundled model with one file changed.
class BrokenModel : public testing::Test {
 protected:
  BrokenModel() {
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json",
                             "tokenizer_config.json", "generation_config.json"}) {
      std::filesystem::copy_file(SourcePath("models/needle-5m") / name, dir_.path() / name);
    }
  }
  std::string Load(const char* name) { return *ReadFile(dir_.path() / name, 1 << 25); }
  void Store(const char* name, const std::string& contents) {
    ASSERT_TRUE(WriteFileAtomically(dir_.path() / name, contents).ok());
  }
  void Replace(const char* file, const std::string& from, const std::string& to) {
    std::string text = Load(file);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
    Store(file, text);
  }
  void ExpectError(int exit_code, const char* fragment) {
    const ProcessResult r = Quarry({"run", "-m", dir_.path().string(), "-p", "x"});
    EXPECT_EQ(r.exit_code, exit_code) << r.err;
    EXPECT_EQ(Lines(r.err), 1u) << r.err;
    EXPECT_NE(r.err.find(fragment), std::string::npos) << r.err;
  }
  TempDir dir_;
};

TEST_F(BrokenModel, TruncatedWeights) {
  Store("model.safetensors", Load("model.safetensors").substr(0, 5'000'000));
  ExpectError(4, "model.safetensors");
}
TEST_F(BrokenModel, TruncatedHeader) {
  Store("model.safetensors", Load("model.safetensors").substr(0, 100));
  ExpectError(4, "model.safetensors");
}
TEST_F(BrokenModel, EmptyWeights) {
  Store("model.safetensors", "");
  ExpectError(4, "model.safetensors");
}
TEST_F(BrokenModel, NoWeights) {
  std::filesystem::remove(dir_.path() / "model.safetensors");
  ExpectError(3, "model.safetensors");
}
TEST_F(BrokenModel, ShapeMismatch) {
  Replace("config.json", "\"intermediate_size\": 704", "\"intermediate_size\": 640");
  ExpectError(4, "704");
}
TEST_F(BrokenModel, MissingTensor) {
  Replace("config.json", "\"num_hidden_layers\": 6", "\"num_hidden_layers\": 7");
  ExpectError(4, "layers.6");
}
TEST_F(BrokenModel, AbsurdConfig) {
  Replace("config.json", "\"num_hidden_layers\": 6", "\"num_hidden_layers\": 6000000000");
  ExpectError(4, "num_hidden_layers");
}
TEST_F(BrokenModel, UnknownArchitecture) {
  Replace("config.json", "LlamaForCausalLM", "MambaForCausalLM");
  ExpectError(5, "MambaForCausalLM");
}
TEST_F(BrokenModel, ConfigIsNotJson) {
  Store("config.json", "{\"hidden_size\": 256");
  ExpectError(4, "config.json");
}
TEST_F(BrokenModel, TokenizerWithoutMerges) {
  std::string t = Load("tokenizer.json");
  const size_t at = t.find("\"merges\"");
  ASSERT_NE(at, std::string::npos);
  t.replace(at, 8, "\"mergez\"");
  Store("tokenizer.json", t);
  ExpectError(4, "merges");
}
TEST_F(BrokenModel, NoTokenizer) {
  std::filesystem::remove(dir_.path() / "tokenizer.json");
  ExpectError(3, "tokenizer");
}

TEST_F(BrokenModel, NamesCannotSteerATerminal) {
  Replace("config.json", "\"model_type\": \"llama\"", "\"model_type\": \"\\u001b[31mllama\"");
  const ProcessResult r = Quarry({"inspect", dir_.path().string()});
  EXPECT_EQ(r.out.find('\x1b'), std::string::npos);
  EXPECT_NE(r.out.find("\\x1b[31mllama"), std::string::npos) << r.out << r.err;
}

TEST(RunCommand, PhasesAndLayersHaveTheirOwnMethods) {
  const ProcessResult r =
      QuarryRun({"--json", "-p", kPassKey, "--prefill", "dense", "--decode", "stream-llm",
                 "--layers", "0=dense", "--set", "n_local=16", "--set", "n_init=4"});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  const auto json = nlohmann::json::parse(r.out);
  EXPECT_EQ(json.at("method"), "dense, decode stream-llm, layer 0 dense");
  EXPECT_LT(json.at("density").get<double>(), 1.0);
  const ProcessResult refused =
      QuarryRun({"-p", kPassKey, "--prefill", "dense", "--decode", "inf-llm"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("must both be inf-llm"), std::string::npos) << refused.err;
}

TEST(RunCommand, AutoChoosesByLengthAndSaysSo) {
  const ProcessResult brief = QuarryRun({"--method", "auto", "-p", kPassKey, "-n", "16"});
  EXPECT_EQ(brief.exit_code, 0) << brief.err;
  EXPECT_EQ(brief.out, "53817\n");
  EXPECT_NE(brief.err.find("reading with dense"), std::string::npos) << brief.err;
  std::string text;
  for (int i = 0; i < 600; ++i) text += "The grass is green. The sky is blue. ";
  const ProcessResult lengthy =
      QuarryRun({"--method", "auto", "-n", "16", "-"}, {.input = text + kPassKey});
  EXPECT_EQ(lengthy.out, "53817\n");
  EXPECT_NE(lengthy.err.find("reading with inf-quest"), std::string::npos) << lengthy.err;
}

TEST(RunCommand, CoverageIsAShareAndDenseHasAllOfIt) {
  std::string text;
  for (int i = 0; i < 120; ++i) text += "The grass is green. The sky is blue. ";
  const auto coverage = [&](const std::string& method) {
    const ProcessResult r =
        QuarryRun({"--json", "--coverage", "--method", method, "--set",
                   method == "quest" ? "token_budget=64" : "chunk_size=256", "-"},
                  {.input = text + kPassKey});
    EXPECT_EQ(r.exit_code, 0) << r.err;
    return nlohmann::json::parse(r.out).at("coverage");
  };
  EXPECT_NEAR(coverage("dense").get<double>(), 1, 1e-5);
  EXPECT_LT(coverage("quest").get<double>(), 0.9999);
  EXPECT_GT(coverage("quest").get<double>(), 0.2);
  EXPECT_TRUE(coverage("stream-llm").is_null());
}

// Chunks of 16 tokens switch minference off; larger ones do not.
TEST(RunCommand, ChunksAreAsLargeAsTheOverrideSays) {
  std::string text;
  for (int i = 0; i < 120; ++i) text += "The grass is green. The sky is blue. ";
  const auto run = [&](std::vector<std::string> args) {
    args.insert(args.end(), {"--json", "-n", "1", "--method", "minference", "-"});
    const ProcessResult r = QuarryRun(args, {.input = text + kPassKey});
    EXPECT_EQ(r.exit_code, 0) << r.err;
    const bool noted = r.err.find("chunk_size: 16 leaves minference too little") != r.err.npos;
    const bool dense = nlohmann::json::parse(r.out).at("density") == 1.0;
    EXPECT_EQ(noted, dense) << r.err;
    return dense;
  };
  EXPECT_FALSE(run({}));
  EXPECT_TRUE(run({"--set", "chunk_size=16"}));
  EXPECT_TRUE(run({"--chunk-size", "16"}));
  EXPECT_FALSE(run({"--set", "chunk_size=16", "--chunk-size", "1024"}));
}

TEST(RunCommand, AutoCountsTheRenderedPrompt) {
  const auto tokens = [](std::vector<std::string> args) {
    args.insert(args.end(), {"-n", "16", "-p", kPassKey});
    const ProcessResult r = QuarryRun(args);
    EXPECT_EQ(r.exit_code, 0) << r.err;
    return r;
  };
  const auto plain = nlohmann::json::parse(tokens({"--json"}).out).at("prompt_tokens").get<int>();
  EXPECT_NE(
      tokens({"--method", "auto"}).err.find("auto: " + std::to_string(plain + 16) + " tokens"),
      std::string::npos);
}

// What the file's own method has is not what the chosen one needs.
TEST(RunCommand, AutoFitsLengthsWhereTheFileNamesAnotherMethod) {
  const TempDir dir;
  const std::string file = (dir.path() / "c.yaml").string();
  ASSERT_TRUE(WriteFileAtomically(file, "model: {type: tova, path: " + kModel +
                                            ", tokenizer_path: " + kModel + "}\nmax_len: 6000\n")
                  .ok());
  std::string text;
  for (int i = 0; i < 400; ++i) text += "The grass is green. The sky is blue. ";
  const std::vector<std::string> args = {"run", "-c", file, "--method", "auto", "-n", "16", "-"};
  const ProcessResult r = Quarry(args, {.input = text + kPassKey});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "53817\n");
  EXPECT_NE(r.err.find("reading with inf-quest"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("its method, tova"), std::string::npos) << r.err;
  // The rest of the file holds.
  const ProcessResult longer = Quarry(args, {.input = text + text + kPassKey});
  EXPECT_EQ(longer.exit_code, 2);
  EXPECT_NE(longer.err.find("max_len 6000"), std::string::npos) << longer.err;
}

TEST(RunCommand, AQuestionThatIsCutAwayIsMissed) {
  const std::string question = "What is the pass key?";
  std::string text;
  for (int i = 0; i < 60; ++i) text += "The grass is green. The sky is blue. ";
  const std::vector<std::string> args = {
      "--method",    "qllm",  "--question",        question, "--raw", "-n", "16", "--set",
      "max_len=300", "--set", "truncation=suffix", "-"};
  const ProcessResult r = QuarryRun(args, {.input = text + question + " " + text});
  EXPECT_EQ(r.exit_code, 2) << r.err;
  EXPECT_NE(r.err.find("max_len is 300: cutting the prompt removed the question"),
            std::string::npos)
      << r.err;
  EXPECT_EQ(QuarryRun(args, {.input = text + text + question}).exit_code, 0);
}

TEST(RunCommand, AFileWhoseModelIsNotThereIsNamed) {
  const TempDir dir;
  const std::string file = (dir.path() / "c.yaml").string();
  ASSERT_TRUE(WriteFileAtomically(file, "model: {type: dense, path: no/model}\n").ok());
  const ProcessResult r = Quarry({"run", "-c", file, "-p", "x"});
  EXPECT_EQ(r.exit_code, 3);
  EXPECT_NE(r.err.find("c.yaml: model.path is no/model, which is not there"), std::string::npos)
      << r.err;
  EXPECT_EQ(Quarry({"run", "-c", file, "-m", kModel, "-p", kPassKey}).out, "53817\n");
}

TEST(RunCommand, InvalidUtf8IsReadAsReplacementCharacters) {
  const ProcessResult r = QuarryRun({"-"}, {.input = "\xff\xfe broken \xe2\x82 " + kPassKey});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "53817\n");
  EXPECT_NE(r.err.find("UTF-8"), std::string::npos) << r.err;
}

TEST(RunCommand, AClosedOutputEndsTheRun) {
  const ProcessResult r =
      QuarryRun({"--raw", "-p", "It was", "-n", "5000", "--ignore-eos", "--no-max-context-warning"},
                {.close_output = true});
  EXPECT_EQ(r.exit_code, 7) << r.err;
  EXPECT_EQ(Lines(r.err), 1u) << r.err;
  EXPECT_NE(r.err.find("standard output"), std::string::npos) << r.err;
}

TEST(RunCommand, InterruptKeepsWhatWasProduced) {
  const ProcessResult r = QuarryRun(
      {"--raw", "-p", "It was", "-n", "100000", "--ignore-eos", "--no-max-context-warning"},
      {.interrupt_after_s = 1.0});
  EXPECT_EQ(r.exit_code, 130) << r.err;
  EXPECT_GT(r.out.size(), 20u);
  EXPECT_NE(r.err.find("stopped"), std::string::npos);
}

TEST(RunCommand, InterruptDuringThePrompt) {
  std::string book = *ReadFile(SourcePath("data/pride_and_prejudice.txt"), 1 << 24);
  book += book + book + book;
  const ProcessResult r = QuarryRun({"-", "--json", "--no-max-context-warning"},
                                    {.input = book, .interrupt_after_s = 4});
  EXPECT_EQ(r.exit_code, 130) << r.err;
  EXPECT_EQ(nlohmann::json::parse(r.out).at("stop_reason"), "cancelled");
}

// The first signal counts while a prompt is waited for or weights are loaded.
TEST(RunCommand, InterruptBeforeTheWorkBegins) {
  const TempDir dir;
  const std::string fifo = (dir.path() / "prompt").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const ProcessResult r = QuarryRun({"-f", fifo}, {.interrupt_after_s = 0.5});
  EXPECT_EQ(r.exit_code, 130) << r.err;
}

// A closed terminal is as good as Ctrl-C. The recording under way leaves nothing behind.
TEST(RunCommand, AHangUpRemovesTemporaryFiles) {
  const TempDir dir;
  std::string book = *ReadFile(SourcePath("data/pride_and_prejudice.txt"), 1 << 24);
  const std::string text = (dir.path() / "book.txt").string();
  ASSERT_TRUE(WriteFileAtomically(text, book + book + book + book).ok());
  const ProcessResult r = RunProcess({"/usr/bin/env",
                                      "--default-signal=HUP",
                                      "timeout",
                                      "--preserve-status",
                                      "-s",
                                      "HUP",
                                      "6",
                                      QUARRY_BINARY,
                                      "run",
                                      "-m",
                                      kModel,
                                      "-f",
                                      text,
                                      "--raw",
                                      "-n",
                                      "1",
                                      "--no-max-context-warning",
                                      "--dump-qkv",
                                      "2",
                                      (dir.path() / "layer2.safetensors").string()});
  EXPECT_EQ(r.exit_code, 130) << r.err;
  EXPECT_NE(r.err.find("stopped"), std::string::npos) << r.err;
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    files += entry.path() != text;
  }
  EXPECT_EQ(files, 0u);
}

// Memory that cannot be had: refused before the work begins, with both numbers.
TEST(RunCommand, RefusesWhatDoesNotFitIntoMemory) {
#ifdef QUARRY_SANITIZED
  GTEST_SKIP() << "sanitizers need the address space";
#endif
  const ProcessResult r = QuarryRun({"-p", "x", "-n", "9000000", "--no-max-context-warning"},
                                    {.address_space_bytes = uint64_t{2} << 30});
  EXPECT_EQ(r.exit_code, 6) << r.err;
  EXPECT_EQ(Lines(r.err), 1u) << r.err;
  EXPECT_NE(r.err.find("MiB are available"), std::string::npos) << r.err;
}

TEST(InspectCommand, PrintsArchitectureAndMemory) {
  const ProcessResult r = Quarry({"inspect", kModel, "--context", "1000000"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  for (const char* fragment :
       {"LlamaForCausalLM", "4,951,296", "2,048 tokens", "inf-llm", "1,000,000"}) {
    EXPECT_NE(r.out.find(fragment), std::string::npos) << r.out;
  }
  EXPECT_NE(Quarry({"inspect", kModel, "--context", "128K"}).out.find("\n     131,072 "),
            std::string::npos);
  const ProcessResult j = Quarry({"inspect", kModel, "--json"});
  const auto info = nlohmann::json::parse(j.out);
  EXPECT_EQ(info.at("layers"), 6);
  EXPECT_EQ(info.at("native_context"), 2048);
  EXPECT_FALSE(info.at("memory").empty());
}

}  // namespace
}  // namespace quarry
