#include "format/run_config.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/nearest_name.h"
#include "base/quoted.h"

namespace quarry {
namespace {

constexpr int64_t kMaxLen = int64_t{1} << 40;
// Engine::Open has the same two limits.
constexpr int64_t kMaxChunk = int64_t{1} << 20;
constexpr double kMaxRopeBase = 1e12;
constexpr double kMaxDistanceScale = 1e6;

constexpr std::string_view kRunConfigKeys[] = {
    "model",    "attention",       "max_len", "truncation", "chunk_size", "conv_type",
    "datasets", "output_dir_path", "rank",    "world_size", "verbose"};

// Written into the file by the original evaluation script, from its command line.
constexpr std::string_view kEvaluationKeys[] = {"datasets", "output_dir_path", "rank", "world_size",
                                                "verbose"};

constexpr std::string_view kModelKeys[] = {"type",
                                           "path",
                                           "tokenizer_path",
                                           "base",
                                           "distance_scale",
                                           "n_init",
                                           "n_local",
                                           "block_size",
                                           "topk",
                                           "repr_topk",
                                           "exc_block_size",
                                           "max_cached_block",
                                           "cache_strategy",
                                           "score_decay",
                                           "chunk_topk_calc",
                                           "perhead",
                                           "mask",
                                           "question_mode",
                                           "question_weight",
                                           "block_similarity",
                                           "page_size",
                                           "read_budget",
                                           "answer_budget",
                                           "token_budget",
                                           "target_coverage",
                                           "dense_layers",
                                           "selection",
                                           "group_score",
                                           "page_bounds",
                                           "heavy_size",
                                           "recent_size",
                                           "cache_size",
                                           "pattern_file",
                                           "coverage",
                                           "vertical_size",
                                           "slash_size",
                                           "top_k",
                                           "ratio",
                                           "starting_layer",
                                           "n_last",
                                           "gamma",
                                           "tau",
                                           "min_budget",
                                           "max_budget",
                                           "fattn",
                                           "pin_memory",
                                           "async_global_stream",
                                           "faiss",
                                           "model_center"};

// Switches of GPU implementations. Values do not depend on them.
constexpr std::string_view kNoEffectKeys[] = {"fattn", "pin_memory", "async_global_stream", "faiss",
                                              "model_center"};

constexpr std::string_view kTruncations[] = {"none", "suffix"};
constexpr std::string_view kConvTypes[] = {"mistral-inst", "vicuna", "qwen", "minicpm",
                                           "llama-3-inst"};

int64_t ReadLength(YamlReader& in, std::string_view key, int64_t max, int64_t fallback) {
  const int64_t value = in.IntOr(key, fallback);
  if (in.ok() && (value < 1 || value > max)) {
    in.Reject(key, fmt::format("must be between 1 and {}", max));
  }
  return value;
}

void ReadRope(YamlReader& model, RunConfig& config) {
  if (model.Has("base")) {
    config.rope_base = model.NumberOr("base", 0);
    if (model.ok() && (*config.rope_base <= 1 || *config.rope_base > kMaxRopeBase)) {
      model.Reject("base", fmt::format("must be above 1 and at most {}", kMaxRopeBase));
    }
  }
  config.distance_scale = model.NumberOr("distance_scale", 1.0);
  if (model.ok() && (config.distance_scale <= 0 || config.distance_scale > kMaxDistanceScale)) {
    model.Reject("distance_scale",
                 fmt::format("must be above 0 and at most {}", kMaxDistanceScale));
  }
}

void ReadNoEffectKeys(YamlReader& model, const AttentionSetup& attention, RunConfig& config) {
  for (std::string_view key : kNoEffectKeys) {
    if (!model.Has(key)) continue;
    const bool on = model.BoolOr(key, false);
    const bool unscaled =
        key == "fattn" && !on && std::holds_alternative<DenseConfig>(attention.methods.prefill);
    config.notes.push_back(fmt::format(
        "model.{}: no effect on a CPU{}", key,
        unscaled ? "; scores are scaled by 1/sqrt(head_dim), which the original then leaves out"
                 : ""));
  }
}

// The keys of the model map that nobody has read: of another method, or unknown.
void ReportRest(YamlReader& model, std::string_view file, RunConfig& config) {
  for (const YamlEntry* entry : model.Unread()) {
    const std::string_view path = entry->path;
    const size_t dot = path.rfind('.');
    Status s = CheckKnownKey(*entry, file, path.substr(0, dot == path.npos ? 0 : dot), kModelKeys);
    if (!s.ok()) return model.Fail(std::move(s));
    if (entry->value.kind == YamlNode::Kind::kNull) continue;
    config.notes.push_back(fmt::format("{}: not used by {}", path, Describe(config.attention)));
  }
}

void ReadModel(const YamlNode& map, const YamlEntry* attention, std::string_view file,
               RunConfig& config, Status& error) {
  YamlReader in(map, file, "model", error);
  config.model_path = in.String("path", "every run");
  config.tokenizer_path = in.StringOr("tokenizer_path", config.model_path);
  ReadRope(in, config);
  config.attention = ReadAttentionSetup(attention, in, map, file, error, config);
  if (!error.ok()) return;
  ReadNoEffectKeys(in, config.attention, config);
  ReportRest(in, file, config);
  if (!error.ok()) return;
  error = Validate(config.attention).WithPrefix(file);
}

// Methods that estimate attend a forward pass of no more tokens than they estimate from densely.
void NoteDenseChunks(const AttentionConfig& prefill, RunConfig& config) {
  constexpr int64_t kEstimateRows = 64;  // of minference
  int64_t rows = 0;
  if (std::holds_alternative<MInferenceConfig>(prefill)) rows = kEstimateRows;
  if (const auto* f = std::get_if<FlexPrefillConfig>(&prefill)) rows = f->block_size;
  if (config.chunk_size > rows) return;
  config.notes.push_back(
      fmt::format("chunk_size: {} leaves {} too little to estimate from, more than {} tokens in a "
                  "forward pass: everything is attended",
                  config.chunk_size, MethodName(prefill), rows));
}

void NoteChunks(RunConfig& config) {
  const AttentionConfig& method = config.attention.methods.prefill;
  NoteDenseChunks(method, config);
  for (const LayerRange& range : config.attention.layers) {
    if (range.methods.prefill != method) NoteDenseChunks(range.methods.prefill, config);
  }
  const auto* memory = std::get_if<InfLlmConfig>(&method);
  if (const auto* q = std::get_if<QLlmConfig>(&method)) memory = q;
  if (memory == nullptr || config.chunk_size % memory->exc_block_size == 0) return;
  config.notes.push_back(
      fmt::format("chunk_size: {} is no multiple of exc_block_size ({}), so each chunk ends with a "
                  "short execution block",
                  config.chunk_size, memory->exc_block_size));
}

}  // namespace

std::span<const std::string_view> RunConfigKeys() { return kRunConfigKeys; }
std::span<const std::string_view> ModelKeys() { return kModelKeys; }

bool Contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status CheckKnownKey(const YamlEntry& entry, std::string_view file, std::string_view where,
                     std::span<const std::string_view> known) {
  if (Contains(known, entry.key)) return OkStatus();
  std::string hint = Suggestion(entry.key, known);
  // Right key, wrong map.
  if (where.empty() && Contains(kModelKeys, entry.key)) {
    hint = fmt::format(", did you mean \"model.{}\"?", entry.key);
  } else if (where == "model" && Contains(kRunConfigKeys, entry.key)) {
    hint = ", it belongs to the top level";
  }
  return InvalidArgument(fmt::format("{}: unknown key {}{}{}", YamlPlace(file, entry),
                                     Quoted(entry.key),
                                     where.empty() ? "" : fmt::format(" in {}", where), hint));
}

Result<RunConfig> ParseRunConfig(std::string_view yaml, std::string_view name,
                                 std::span<const std::string> overrides) {
  Result<YamlNode> root = ParseYaml(yaml, name);
  if (!root.ok()) return root.status();
  if (root->kind != YamlNode::Kind::kMap && root->kind != YamlNode::Kind::kNull) {
    return InvalidArgument(fmt::format("{}: is {}, must be a map", name, ShowYaml(*root)));
  }
  if (Status s = ApplyOverrides(overrides, *root); !s.ok()) return s;
  for (const YamlEntry& entry : root->entries) {
    if (Status s = CheckKnownKey(entry, name, "", kRunConfigKeys); !s.ok()) return s;
  }

  Status error;
  RunConfig config;
  YamlReader in(*root, name, "", error);
  if (const YamlNode* model = in.Map("model")) {
    ReadModel(*model, root->Find("attention"), name, config, error);
  } else {
    in.Fail(InvalidArgument(
        fmt::format("{} is missing, required by every run, must be a map", in.Name("model"))));
  }
  config.max_len = ReadLength(in, "max_len", kMaxLen, config.max_len);
  config.chunk_size = ReadLength(in, "chunk_size", kMaxChunk, config.chunk_size);
  config.truncation = static_cast<Truncation>(in.OneOf("truncation", kTruncations, 0));
  if (in.Has("conv_type")) config.conv_type = kConvTypes[in.OneOf("conv_type", kConvTypes, 0)];
  for (std::string_view key : kEvaluationKeys) {
    if (in.Has(key)) {
      config.notes.push_back(fmt::format("{}: no effect, an option of evaluation scripts", key));
    }
  }
  if (!error.ok()) return error;
  NoteChunks(config);
  return config;
}

Result<RunConfig> LoadRunConfig(const std::filesystem::path& path,
                                std::span<const std::string> overrides) {
  const Result<std::string> text = ReadFile(path, YamlLimits().bytes);
  if (!text.ok()) return text.status();
  return ParseRunConfig(*text, path.string(), overrides);
}

}  // namespace quarry
