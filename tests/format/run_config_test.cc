#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/config.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kInfLlm = R"(model:
  type: inf-llm
  path: some/model
  n_init: 128
  n_local: 4096
  block_size: 128
  topk: 16
  max_cached_block: 32
  exc_block_size: 512
)";
constexpr std::string_view kQLlm = R"(model:
  type: qllm
  path: some/model
  n_init: 128
  n_local: 512
  block_size: 64
  topk: 8
  max_cached_block: 32
  exc_block_size: 512
  question_weight: 4
)";
constexpr std::string_view kStream = "model: {type: stream-llm, path: m, n_init: 4, n_local: 64}\n";
constexpr std::string_view kDense = "model: {type: origin, path: m}\n";

using Overrides = std::vector<std::string>;

RunConfig Parsed(std::string_view yaml, const Overrides& overrides = {}) {
  Result<RunConfig> config = ParseRunConfig(yaml, "run.yaml", overrides);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : RunConfig();
}

std::string Error(std::string_view yaml, const Overrides& overrides = {}) {
  const Status s = ParseRunConfig(yaml, "run.yaml", overrides).status();
  EXPECT_EQ(s.message().find('\n'), std::string::npos);
  return s.message();
}

// `yaml` with another line in its last, indented map.
std::string Plus(std::string_view yaml, std::string_view line) {
  return std::string(yaml) + "  " + std::string(line) + "\n";
}

TEST(RunConfig, DefaultsOfTheMinimum) {
  const RunConfig c = Parsed(kInfLlm);
  EXPECT_EQ(c.model_path, "some/model");
  EXPECT_EQ(c.tokenizer_path, "some/model");
  EXPECT_EQ(c.rope_base, std::nullopt);
  EXPECT_EQ(c.distance_scale, 1.0);
  EXPECT_EQ(c.chunk_size, 8192);
  EXPECT_EQ(c.max_len, 2147483647);
  EXPECT_EQ(c.truncation, Truncation::kNone);
  EXPECT_EQ(c.conv_type, "");
  EXPECT_THAT(c.notes, IsEmpty());
  const auto& a = std::get<InfLlmConfig>(c.attention.methods.prefill);
  EXPECT_EQ(a.n_init, 128);
  EXPECT_EQ(a.n_local, 4096);
  EXPECT_EQ(a.block_size, 128);
  EXPECT_EQ(a.topk, 16);
  EXPECT_EQ(a.repr_topk, 1);
  EXPECT_EQ(a.exc_block_size, 512);
  EXPECT_EQ(a.max_cached_block, 32);
  EXPECT_EQ(a.cache_strategy, CachePolicy::kLru);
  EXPECT_EQ(a.score_decay, std::nullopt);
  EXPECT_EQ(a.chunk_topk_calc, std::nullopt);
  EXPECT_FALSE(a.perhead);
  EXPECT_EQ(a.mask, WindowMask::kReference);
}

TEST(RunConfig, ReadsEveryKey) {
  const RunConfig c = Parsed(R"(max_len: 100000
truncation: suffix
chunk_size: 4096
conv_type: llama-3-inst
model:
  type: qllm
  path: a
  tokenizer_path: b
  base: 5e5
  distance_scale: 0.25
  n_init: 64.0
  n_local: 512
  block_size: 64
  topk: 16.0
  repr_topk: 4
  exc_block_size: 512
  max_cached_block: 32
  cache_strategy: lru-s
  score_decay: 0.95
  perhead: true
  mask: strict
  question_weight: 4
  question_mode: reference
  block_similarity: cosine
)");
  EXPECT_EQ(c.max_len, 100000);
  EXPECT_EQ(c.truncation, Truncation::kSuffix);
  EXPECT_EQ(c.chunk_size, 4096);
  EXPECT_EQ(c.conv_type, "llama-3-inst");
  EXPECT_EQ(c.model_path, "a");
  EXPECT_EQ(c.tokenizer_path, "b");
  EXPECT_EQ(c.rope_base, 500000);
  EXPECT_EQ(c.distance_scale, 0.25);
  EXPECT_THAT(c.notes, IsEmpty());
  const auto& a = std::get<QLlmConfig>(c.attention.methods.prefill);
  EXPECT_EQ(a.n_init, 64);
  EXPECT_EQ(a.topk, 16);
  EXPECT_EQ(a.repr_topk, 4);
  EXPECT_EQ(a.cache_strategy, CachePolicy::kLruS);
  EXPECT_EQ(a.score_decay, 0.95);
  EXPECT_TRUE(a.perhead);
  EXPECT_EQ(a.mask, WindowMask::kStrict);
  EXPECT_EQ(a.question_weight, 4.0);
  EXPECT_EQ(a.question_mode, QuestionMode::kReference);
  EXPECT_EQ(a.block_similarity, BlockSimilarity::kCosine);

  const RunConfig i = Parsed(Plus(Plus(kInfLlm, "chunk_topk_calc: 1024"), "cache_strategy: fifo"));
  EXPECT_EQ(std::get<InfLlmConfig>(i.attention.methods.prefill).chunk_topk_calc, 1024);
  EXPECT_EQ(std::get<InfLlmConfig>(i.attention.methods.prefill).cache_strategy, CachePolicy::kFifo);
}

TEST(RunConfig, MethodsThatDecode) {
  const RunConfig quest = Parsed(
      "model: {path: m, type: quest, page_size: 32, token_budget: 640, dense_layers: 1, "
      "selection: kernel, group_score: mean, page_bounds: int8}");
  EXPECT_EQ(Describe(quest.attention), "quest");
  EXPECT_EQ(MethodName(quest.attention.methods.prefill), "dense");
  const auto& q = std::get<QuestConfig>(quest.attention.methods.decode);
  EXPECT_EQ(q.page_size, 32);
  EXPECT_EQ(q.token_budget, 640);
  EXPECT_EQ(q.dense_layers, 1);
  EXPECT_EQ(q.selection, QuestSelection::kKernel);
  EXPECT_EQ(q.group_score, QuestGroup::kMean);
  EXPECT_EQ(q.page_bounds, PageBoundsType::kInt8);
  EXPECT_EQ(std::get<QuestConfig>(Parsed("model: {path: m, type: quest}").attention.methods.decode),
            QuestConfig());
  const auto eval = Parsed("model: {path: m, type: quest, selection: eval, token_budget: 8}");
  EXPECT_EQ(std::get<QuestConfig>(eval.attention.methods.decode).selection, QuestSelection::kEval);

  const auto grows =
      Parsed("model: {path: m, type: quest, target_coverage: 0.9, max_budget: 4096}");
  EXPECT_EQ(std::get<QuestConfig>(grows.attention.methods.decode).target_coverage, 0.9);
  EXPECT_EQ(std::get<QuestConfig>(grows.attention.methods.decode).max_budget, 4096);

  const RunConfig h2o = Parsed("model: {path: m, type: h2o, heavy_size: 100, recent_size: 28}");
  EXPECT_EQ(std::get<H2oConfig>(h2o.attention.methods.prefill), (H2oConfig{100, 28}));
  EXPECT_EQ(std::get<H2oConfig>(h2o.attention.methods.decode), (H2oConfig{100, 28}));
  const RunConfig tova = Parsed("model: {path: m, type: tova, cache_size: 77}");
  EXPECT_EQ(std::get<TovaConfig>(tova.attention.methods.decode), TovaConfig{77});
}

TEST(RunConfig, MethodsAndTheirOtherNames) {
  const auto name = [](std::string_view type) {
    return Describe(
        Parsed("model: {path: m, n_init: 4, n_local: 64, type: " + std::string(type) + "}")
            .attention);
  };
  EXPECT_EQ(name("stream-llm"), "stream-llm");
  EXPECT_EQ(name("stream-lm"), "stream-llm");
  EXPECT_EQ(name("infinite-lm"), "infinite-lm");
  EXPECT_EQ(name("origin"), "dense");
  EXPECT_EQ(name("dense"), "dense");
}

TEST(RunConfig, UnknownKeysNameTheirLineAndTheNearestKey) {
  EXPECT_EQ(Error(Plus(kInfLlm, "repr_topkk: 4")),
            "run.yaml:10: unknown key \"repr_topkk\" in model, did you mean \"repr_topk\"?");
  EXPECT_EQ(Error(std::string(kInfLlm) + "chunksize: 4\n"),
            "run.yaml:10: unknown key \"chunksize\", did you mean \"chunk_size\"?");
  EXPECT_EQ(Error(std::string(kInfLlm) + "topk: 4\n"),
            "run.yaml:10: unknown key \"topk\", did you mean \"model.topk\"?");
  EXPECT_EQ(Error(Plus(kInfLlm, "max_len: 4")),
            "run.yaml:10: unknown key \"max_len\" in model, it belongs to the top level");
  EXPECT_THAT(Error(Plus(kInfLlm, "qqqqqqqqqqqqqqqqqqqqqqqq: 4")),
              HasSubstr("must be one of type, path"));
  EXPECT_THAT(Error(Plus(kInfLlm, "\"a\\nb\": 4")), HasSubstr("unknown key \"a\\nb\" in model"));
}

TEST(RunConfig, DuplicateKeysAreErrors) {
  EXPECT_EQ(Error(Plus(kInfLlm, "topk: 4")),
            "run.yaml:10: key \"topk\" appears twice, first in line 7");
}

TEST(RunConfig, MissingKeysAreErrors) {
  for (std::string_view key : {"n_init", "n_local", "block_size", "topk", "max_cached_block",
                               "exc_block_size", "question_weight"}) {
    std::string yaml(kQLlm);
    const size_t at = yaml.find("  " + std::string(key));
    yaml.erase(at, yaml.find('\n', at) + 1 - at);
    EXPECT_THAT(Error(yaml), HasSubstr("run.yaml: model." + std::string(key) +
                                       " is missing, required by qllm, must be "));
  }
  EXPECT_EQ(Error("model: {type: inf-llm}"),
            "run.yaml: model.path is missing, required by every run, must be a string");
  EXPECT_EQ(Error("model: {path: x}"),
            "run.yaml: model.type is missing, required by every run, must be a string");
  for (std::string_view yaml : {"", "max_len: 5", "model:\n"}) {
    EXPECT_THAT(Error(yaml), HasSubstr("model is missing, required by every run, must be a map"));
  }
  EXPECT_EQ(Error("model: {type: stream-llm, path: m, n_init: 4}"),
            "run.yaml: model.n_local is missing, required by stream-llm, must be an integer");
}

TEST(RunConfig, ValuesOutOfPlace) {
  struct Row {
    std::string line, message;
  };
  for (const Row& row : {
           Row{"repr_topk: four", "run.yaml:10: model.repr_topk is \"four\", must be an integer"},
           Row{"repr_topk: 2.5", "run.yaml:10: model.repr_topk is 2.5, must be an integer"},
           Row{"repr_topk: 129",
               "run.yaml: inf-llm: repr_topk is 129, must be between 1 and block_size (128)"},
           Row{"base: 1",
               "run.yaml:10: model.base is 1, must be above 1 and at most 1000000000000"},
           Row{"base: big", "run.yaml:10: model.base is \"big\", must be a number"},
           Row{"distance_scale: 0",
               "run.yaml:10: model.distance_scale is 0, must be above 0 and at most 1000000"},
           Row{"fattn: 7", "run.yaml:10: model.fattn is 7, must be true or false"},
           Row{"perhead: [1]", "run.yaml:10: model.perhead is a list, must be true or false"},
           Row{"cache_strategy: lfu",
               "run.yaml:10: model.cache_strategy is \"lfu\", must be one of lru, lru-s, fifo"},
           Row{"cache_strategy: lru-s",
               "run.yaml: inf-llm: score_decay is not given, cache_strategy lru-s needs it"},
           Row{"mask: none", "run.yaml:10: model.mask is \"none\", must be one of reference,"},
           Row{"chunk_topk_calc: 100",
               "run.yaml: inf-llm: chunk_topk_calc is 100, must be between"},
       }) {
    EXPECT_THAT(Error(Plus(kInfLlm, row.line)), HasSubstr(row.message));
  }
  const auto top = [](std::string_view line) {
    return Error(std::string(kStream) + std::string(line));
  };
  EXPECT_EQ(top("max_len: 0"), "run.yaml:2: max_len is 0, must be between 1 and 1099511627776");
  EXPECT_EQ(top("chunk_size: -5"), "run.yaml:2: chunk_size is -5, must be between 1 and 1048576");
  EXPECT_EQ(top("truncation: prefix"),
            "run.yaml:2: truncation is \"prefix\", must be one of none, suffix");
  EXPECT_EQ(top("conv_type: llama"),
            "run.yaml:2: conv_type is \"llama\", must be one of mistral-inst, vicuna, qwen, "
            "minicpm, llama-3-inst");
  EXPECT_EQ(Error("- 1\n"), "run.yaml: is a list, must be a map");
  EXPECT_EQ(Error("model: x\n"), "run.yaml:1: model is \"x\", must be a map");
  EXPECT_EQ(Error("model: {type: infllm, path: x}"),
            "run.yaml:1: model.type: unknown attention method \"infllm\", did you mean "
            "\"inf-llm\"?");
}

TEST(RunConfig, NotesWhatHasNoEffect) {
  EXPECT_THAT(
      Parsed(Plus(Plus(kInfLlm, "pin_memory: false"), "fattn: false")).notes,
      ElementsAre("model.fattn: no effect on a CPU", "model.pin_memory: no effect on a CPU"));
  EXPECT_THAT(
      Parsed("model: {type: origin, path: m, async_global_stream: on, faiss: yes, "
             "model_center: true, fattn: false}")
          .notes,
      ElementsAre(AllOf(StartsWith("model.fattn: no effect on a CPU"), HasSubstr("1/sqrt")),
                  "model.async_global_stream: no effect on a CPU",
                  "model.faiss: no effect on a CPU", "model.model_center: no effect on a CPU"));
  EXPECT_THAT(Parsed(std::string(kDense) + "verbose: true\nrank: 0\ndatasets: a,b\n").notes,
              Contains("verbose: no effect, an option of evaluation scripts"));
}

TEST(RunConfig, NotesKeysOfOtherMethods) {
  RunConfig c = Parsed(
      "model: {type: infinite-lm, path: m, n_init: 4, n_local: 64, "
      "exc_block_size: 512, question_weight: 1}");
  EXPECT_THAT(c.notes, ElementsAre("model.exc_block_size: not used by infinite-lm",
                                   "model.question_weight: not used by infinite-lm"));
  c = Parsed(Plus(kInfLlm, "score_decay: 0.1"));
  EXPECT_THAT(c.notes, ElementsAre("model.score_decay: not used by cache_strategy lru"));
  EXPECT_EQ(std::get<InfLlmConfig>(c.attention.methods.prefill).score_decay, std::nullopt);
  c = Parsed(Plus(kQLlm, "chunk_topk_calc: 1024"));
  EXPECT_THAT(c.notes, ElementsAre("model.chunk_topk_calc: not used by qllm"));
  EXPECT_THAT(Parsed(Plus(kInfLlm, "question_weight: ~")).notes, IsEmpty()) << "null: absent";
}

TEST(RunConfig, NotesWhatItChanged) {
  RunConfig c = Parsed(kInfLlm, {"topk=64"});
  EXPECT_EQ(std::get<InfLlmConfig>(c.attention.methods.prefill).max_cached_block, 64);
  EXPECT_THAT(c.notes, ElementsAre("model.max_cached_block: 32 raised to topk (64)"));
  c = Parsed(kQLlm, {"chunk_size=1000"});
  EXPECT_EQ(c.chunk_size, 1000);
  EXPECT_THAT(c.notes, ElementsAre(StartsWith("chunk_size: 1000 is no multiple of exc_block_size "
                                              "(512)")));
}

TEST(RunConfig, NotesKeysOfMInferenceThatItsFileDecidesAbout) {
  const auto notes = [](const std::string& keys) {
    return Parsed("model: {type: minference, path: m" + keys + "}").notes;
  };
  EXPECT_THAT(notes(""), IsEmpty());
  EXPECT_THAT(notes(", coverage: 0.9, starting_layer: 1"), IsEmpty());
  EXPECT_THAT(notes(", vertical_size: 10, slash_size: 10, top_k: 5, ratio: 2"),
              ElementsAre("model.vertical_size: no effect without a pattern_file",
                          "model.slash_size: no effect without a pattern_file",
                          "model.top_k: no effect without a pattern_file",
                          "model.ratio: no effect without a pattern_file"));
  EXPECT_THAT(notes(", pattern_file: f, vertical_size: 10, top_k: 5, ratio: 2"), IsEmpty());
  EXPECT_THAT(notes(", pattern_file: f, coverage: 0.9"),
              ElementsAre(StartsWith("model.coverage: no effect with a pattern_file")));
}

TEST(RunConfig, NotesChunksThatSwitchAMethodOff) {
  const auto notes = [](const std::string& model, const char* chunk) {
    return Parsed("model: {path: m, " + model + "}\nchunk_size: " + chunk).notes;
  };
  EXPECT_THAT(notes("type: minference", "65"), IsEmpty());
  EXPECT_THAT(
      notes("type: minference", "64"),
      ElementsAre(StartsWith("chunk_size: 64 leaves minference too little to estimate from, "
                             "more than 64 tokens")));
  EXPECT_THAT(notes("type: flexprefill, block_size: 32", "33"), IsEmpty());
  EXPECT_THAT(notes("type: flexprefill, block_size: 32", "32"),
              ElementsAre(StartsWith("chunk_size: 32 leaves flexprefill too little")));
  EXPECT_THAT(Parsed("model: {path: m, type: dense}\nchunk_size: 16\n"
                     "attention: {layers: [{first: 0, type: minference}]}")
                  .notes,
              ElementsAre(StartsWith("chunk_size: 16 leaves minference too little")));
}

RunConfig Default(const PhaseMethods& methods, const Overrides& overrides) {
  Result<RunConfig> config = DefaultRunConfig(methods, overrides);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : RunConfig();
}

TEST(DefaultRunConfig, AnOverrideIsOfThePhaseThatTakesIt) {
  const PhaseMethods flex_quest(FlexPrefillConfig{}, QuestConfig{});
  RunConfig c = Default(flex_quest, {"selection=coverage", "token_budget=512", "gamma=0.5"});
  EXPECT_THAT(c.notes, IsEmpty());
  const auto& flex = std::get<FlexPrefillConfig>(c.attention.methods.prefill);
  EXPECT_EQ(flex.selection, FlexSelectionRule::kCoverage);
  EXPECT_EQ(flex.gamma, 0.5);
  EXPECT_EQ(std::get<QuestConfig>(c.attention.methods.decode).token_budget, 512);
  c = Default(flex_quest, {"selection=eval"});
  EXPECT_EQ(std::get<QuestConfig>(c.attention.methods.decode).selection, QuestSelection::kEval);

  const auto error = [&](const Overrides& overrides) {
    return DefaultRunConfig(flex_quest, overrides).status().message();
  };
  EXPECT_EQ(error({"max_budget=4096", "target_coverage=0.9"}),
            "override max_budget=4096: flexprefill and quest both have max_budget, must be "
            "prefill.max_budget or decode.max_budget");
  EXPECT_THAT(error({"selection=x"}), HasSubstr("must be prefill.selection or decode.selection"));
  EXPECT_THAT(error({"token_budget=1"}), HasSubstr("token_budget is 1"));
  EXPECT_THAT(error({"token_budgt=1"}), HasSubstr("did you mean \"token_budget\"?"));
  // Without a target, quest has no use for max_budget.
  c = Default(flex_quest, {"max_budget=4096"});
  EXPECT_EQ(std::get<FlexPrefillConfig>(c.attention.methods.prefill).max_budget, 4096);
  EXPECT_EQ(std::get<QuestConfig>(c.attention.methods.decode).max_budget, std::nullopt);
  // Of the run, or of nobody.
  c = Default(flex_quest, {"base=5e4", "chunk_size=1024", "topk=4"});
  EXPECT_EQ(c.rope_base, 5e4);
  EXPECT_EQ(c.chunk_size, 1024);
  EXPECT_THAT(c.notes, ElementsAre(StartsWith("model.topk: not used by")));
}

TEST(DefaultRunConfig, KeepsATokenizerPath) {
  const RunConfig c = Default(PhaseMethods(DenseConfig{}), {"tokenizer_path=some/folder"});
  EXPECT_EQ(c.tokenizer_path, "some/folder");
  EXPECT_EQ(c.model_path, "");
  EXPECT_EQ(Default(PhaseMethods(DenseConfig{}), {}).tokenizer_path, "");
}

TEST(RunConfig, Overrides) {
  const RunConfig c =
      Parsed(kInfLlm, {"model.topk=8", "n_local=2048", "chunk_size=1024", "truncation=suffix",
                       "score_decay=0.5", "cache_strategy=lru-s", "model.path=\"a: b\"", "topk=9",
                       "conv_type="});
  const auto& a = std::get<InfLlmConfig>(c.attention.methods.prefill);
  EXPECT_EQ(a.topk, 9) << "the last one counts";
  EXPECT_EQ(a.n_local, 2048);
  EXPECT_EQ(a.score_decay, 0.5);
  EXPECT_EQ(c.chunk_size, 1024);
  EXPECT_EQ(c.truncation, Truncation::kSuffix);
  EXPECT_EQ(c.model_path, "a: b");
  EXPECT_EQ(c.conv_type, "");
  EXPECT_EQ(Parsed("", {"type=dense", "path=m"}).model_path, "m") << "nothing but overrides";
}

TEST(RunConfig, OverridesThatFail) {
  struct Row {
    std::string text, message;
  };
  for (const Row& row : {
           Row{"topk", "override topk: has no \"=\", must be key=value"},
           Row{"=3", "override =3: \"\" is no key, must be like topk or model.topk"},
           Row{"model..topk=3", "\"model..topk\" is no key"},
           Row{"a.b.c.d.e.f.g.h.i=3", "is no key"},
           Row{"tokp=3", "override tokp=3: unknown key \"tokp\", did you mean \"topk\"?"},
           Row{"modle.topk=3", "unknown key \"modle\", did you mean \"model\"?"},
           Row{"model.tokp=3", "override: unknown key \"tokp\" in model, did you mean \"topk\"?"},
           Row{"topk=x", "override: model.topk is \"x\", must be an integer"},
           Row{"topk=0", "run.yaml: inf-llm: topk is 0, must be between 1 and 1048576"},
           Row{"topk=[1]", "override topk=[1]: the value is a list, must be a scalar"},
           Row{"topk={a: 1}", "the value is a map, must be a scalar"},
           Row{"topk=[", "override topk=[:1: not valid YAML"},
           Row{"topk=\xff", "invalid UTF-8"},
           Row{"model.topk.x=3", "override model.topk.x=3: model.topk is 16, must be a map"},
           Row{"model=3", "override: model is 3, must be a map"},
           Row{"model=", "model is null"},
           Row{"topk=", "override: model.topk is null, must be an integer"},
       }) {
    const std::string message = Error(kInfLlm, {row.text});
    if (row.text == "model=") {
      EXPECT_THAT(message, HasSubstr("model is missing"));
    } else {
      EXPECT_THAT(message, HasSubstr(row.message)) << row.text;
    }
  }
}

TEST(RunConfig, AttentionSection) {
  // Names only; the parameters are the model map's.
  RunConfig c = Parsed(std::string(kStream) + "attention: {prefill: stream-lm, decode: streaming}");
  EXPECT_EQ(Describe(c.attention), "stream-llm");
  // The section may be the only place that names the method, and hold its parameters.
  c = Parsed(R"(model: {path: m}
attention:
  prefill: {type: stream-llm, n_init: 4, n_local: 64}
  decode: stream-llm
)");
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.prefill).n_local, 64);
  c = Parsed("model: {path: m, type: dense}\nattention:\n");
  EXPECT_EQ(Describe(c.attention), "dense");
  c = Parsed("model: {path: m}\nattention: {decode: dense}\n");
  EXPECT_EQ(Describe(c.attention), "dense");
  c = Parsed("model: {path: m}\nattention: {prefill: {type: stream-llm, n_init: 1, n_local: 2}}\n",
             {"attention.prefill.n_local=3"});
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.prefill).n_local, 3);
}

TEST(RunConfig, MethodsPerPhaseAndLayer) {
  RunConfig c = Parsed(R"(model: {path: m, n_init: 4, n_local: 64}
attention:
  prefill: stream-llm
  decode: {type: infinite-lm, n_local: 32}
  layers:
    - {first: 0, last: 1, type: dense}
    - {first: 3, decode: dense}
)");
  EXPECT_EQ(Describe(c.attention),
            "stream-llm, decode infinite-lm, layers 0-1 dense, layer 3 dense");
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.prefill).n_local, 64);
  EXPECT_EQ(std::get<InfiniteLmConfig>(c.attention.methods.decode).n_local, 32);
  c = Parsed(std::string(kStream) + "attention: {prefill: {n_local: 128}}");
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.prefill).n_local, 128);
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.decode).n_local, 64);
  // A phase that is not named is model.type's.
  c = Parsed(std::string(kStream) + "attention: {decode: dense}");
  EXPECT_EQ(Describe(c.attention), "stream-llm, decode dense");
  c = Parsed(std::string(kStream), {"decode=infinite-lm", "decode.n_local=7"});
  EXPECT_EQ(std::get<InfiniteLmConfig>(c.attention.methods.decode).n_local, 7);
  EXPECT_EQ(std::get<StreamLlmConfig>(c.attention.methods.prefill).n_local, 64);
}

TEST(RunConfig, AttentionSectionsThatContradict) {
  struct Row {
    std::string section, message;
  };
  for (const Row& row : {
           Row{"{prefill: {type: inf-llm, block_size: 16, topk: 4, exc_block_size: 32, "
               "max_cached_block: 8}, decode: dense}",
               "run.yaml: prefill is inf-llm and decode is dense, must both be inf-llm with the "
               "same parameters: it answers from what it builds up while reading"},
           Row{"{layers: dense}", "attention.layers is \"dense\", must be a list of maps"},
           Row{"{layers: [{first: 2, last: 1, type: dense}]}",
               "attention.layers.[].last is 1, must be between 2 and"},
           Row{"{layers: [{type: dense}]}", "attention.layers[0].first is missing"},
           Row{"{layers: [{first: 0}]}", "attention.layers[0] has no type, prefill or decode"},
           Row{"{prefil: dense}",
               "run.yaml:2: unknown key \"prefil\" in attention, did you mean \"prefill\"?"},
           Row{"dense",
               "run.yaml:2: attention is \"dense\", must be a map of prefill, decode and layers"},
           Row{"{prefill: [dense]}",
               "attention.prefill is a list, must be a method's name or a map"},
           Row{"{prefill: {n_local: [1]}}",
               "attention.prefill.n_local is a list, must be a scalar"},
           Row{"{prefill: {n_loca: 64}}",
               "unknown key \"n_loca\" in attention.prefill, did you mean \"n_local\"?"},
           Row{"{prefill: {path: x}}",
               "unknown key \"path\" in attention.prefill, did you mean \"model.path\"?"},
       }) {
    const std::string yaml = std::string(kStream) + "attention: " + row.section;
    EXPECT_THAT(Error(yaml), HasSubstr(row.message)) << row.section;
  }
  EXPECT_THAT(Error("model: {path: m}\nattention: {decode: qest}"),
              HasSubstr("run.yaml:2: attention.decode: unknown attention method \"qest\""));
}

TEST(RunConfig, LoadsFilesAndNamesThem) {
  TempDir dir;
  const auto path = dir.path() / "run.yaml";
  ASSERT_TRUE(WriteFileAtomically(path, kInfLlm).ok());
  EXPECT_TRUE(LoadRunConfig(path).ok());
  const Overrides overrides = {"topk=0"};
  EXPECT_THAT(LoadRunConfig(path, overrides).status().message(), HasSubstr(path.string()));
  EXPECT_EQ(LoadRunConfig(dir.path() / "none").status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path, std::string(100000, '#')).ok());
  EXPECT_THAT(LoadRunConfig(path).status().message(), HasSubstr("100000 bytes, at most 65536"));
}

TEST(RunConfig, TruncatedAndChangedAtEveryByte) {
  const std::string text = Plus(Plus(kQLlm, "score_decay: 0.5"), "base: &b 1e4") + "max_len: 9\n";
  ASSERT_EQ(Error(text), "");
  for (size_t i = 0; i < text.size(); ++i) {
    Error(text.substr(0, i));
    for (char c : {'\0', ' ', ':', '\n', '[', '{', '"', '&', '*', '-', '9', '\xff'}) {
      std::string changed = text;
      changed[i] = c;
      const auto config = ParseRunConfig(changed, "f");
      EXPECT_TRUE(!config.ok() || Validate(config->attention).ok());
    }
  }
}

}  // namespace
}  // namespace quarry
