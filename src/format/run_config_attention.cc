#include <array>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "format/run_config.h"

namespace quarry {
namespace {

// In the order of the enums.
constexpr std::string_view kCachePolicies[] = {"lru", "lru-s", "fifo"};
constexpr std::string_view kMasks[] = {"reference", "strict"};
constexpr std::string_view kQuestionModes[] = {"reference", "strict"};
constexpr std::string_view kSimilarities[] = {"dot",          "cosine",  "l2",     "normalized_l2",
                                              "dot_minus_l2", "angular", "pearson"};

constexpr std::string_view kFlexRules[] = {"reference", "coverage"};

constexpr std::string_view kPhases[] = {"prefill", "decode"};
// Of the run, whatever the method: not among the parameters of a phase.
constexpr std::string_view kRunKeys[] = {"path", "tokenizer_path", "base", "distance_scale",
                                         "model_center"};

using Notes = std::vector<std::string>;

template <typename Enum>
Enum ReadEnum(YamlReader& in, std::string_view key, std::span<const std::string_view> names,
              Enum fallback) {
  return static_cast<Enum>(in.OneOf(key, names, static_cast<size_t>(fallback)));
}

template <typename Window>
void ReadWindow(YamlReader& in, Window& c) {
  c.n_init = in.Int("n_init", c.kName);
  c.n_local = in.Int("n_local", c.kName);
}

void ReadMemory(YamlReader& in, std::string_view method, InfLlmConfig& c, Notes& notes) {
  c.n_init = in.Int("n_init", method);
  c.n_local = in.Int("n_local", method);
  c.block_size = in.Int("block_size", method);
  c.topk = in.Int("topk", method);
  c.max_cached_block = in.Int("max_cached_block", method);
  c.exc_block_size = in.Int("exc_block_size", method);
  c.repr_topk = in.IntOr("repr_topk", 1);
  c.perhead = in.BoolOr("perhead", false);
  c.mask = ReadEnum(in, "mask", kMasks, c.mask);
  c.cache_strategy = ReadEnum(in, "cache_strategy", kCachePolicies, CachePolicy::kLru);
  if (in.Has("score_decay")) {
    c.score_decay = in.NumberOr("score_decay", 0);
    if (c.cache_strategy != CachePolicy::kLruS) {
      c.score_decay.reset();
      notes.push_back(fmt::format("model.score_decay: not used by cache_strategy {}",
                                  kCachePolicies[static_cast<size_t>(c.cache_strategy)]));
    }
  }
  if (in.ok() && c.max_cached_block >= 1 && c.max_cached_block < c.topk) {
    notes.push_back(
        fmt::format("model.max_cached_block: {} raised to topk ({})", c.max_cached_block, c.topk));
    c.max_cached_block = c.topk;
  }
}

// One overload a method: the keys it needs and those it may have.
void ReadMethod(YamlReader&, DenseConfig&, Notes&) {}
void ReadMethod(YamlReader& in, StreamLlmConfig& c, Notes&) { ReadWindow(in, c); }
void ReadMethod(YamlReader& in, InfiniteLmConfig& c, Notes&) { ReadWindow(in, c); }
void ReadMethod(YamlReader& in, InfLlmConfig& c, Notes& notes) {
  ReadMemory(in, InfLlmConfig::kName, c, notes);
  if (in.Has("chunk_topk_calc")) c.chunk_topk_calc = in.IntOr("chunk_topk_calc", 0);
}
void ReadMethod(YamlReader& in, QLlmConfig& c, Notes& notes) {
  ReadMemory(in, QLlmConfig::kName, c, notes);
  c.question_weight = in.Number("question_weight", QLlmConfig::kName);
  c.question_mode = ReadEnum(in, "question_mode", kQuestionModes, c.question_mode);
  c.block_similarity = ReadEnum(in, "block_similarity", kSimilarities, c.block_similarity);
}

void ReadMethod(YamlReader& in, AShapeConfig& c, Notes&) {
  c.n_init = in.IntOr("n_init", c.n_init);
  c.n_local = in.IntOr("n_local", c.n_local);
  c.starting_layer = in.IntOr("starting_layer", c.starting_layer);
}
void ReadMethod(YamlReader& in, TriShapeConfig& c, Notes& notes) {
  ReadMethod(in, static_cast<AShapeConfig&>(c), notes);
  c.n_last = in.IntOr("n_last", c.n_last);
}
void ReadMethod(YamlReader& in, MInferenceConfig& c, Notes&) {
  c.pattern_file = in.StringOr("pattern_file", c.pattern_file);
  c.coverage = in.NumberOr("coverage", c.coverage);
  c.vertical_size = in.IntOr("vertical_size", c.vertical_size);
  c.slash_size = in.IntOr("slash_size", c.slash_size);
  c.top_k = in.IntOr("top_k", c.top_k);
  c.ratio = in.NumberOr("ratio", c.ratio);
  c.starting_layer = in.IntOr("starting_layer", c.starting_layer);
}
void ReadMethod(YamlReader& in, FlexPrefillConfig& c, Notes&) {
  c.gamma = in.NumberOr("gamma", c.gamma);
  c.tau = in.NumberOr("tau", c.tau);
  c.min_budget = in.IntOr("min_budget", c.min_budget);
  if (in.Has("max_budget")) c.max_budget = in.IntOr("max_budget", 0);
  c.block_size = in.IntOr("block_size", c.block_size);
  c.selection = ReadEnum(in, "selection", kFlexRules, c.selection);
}

// Whether two values of `key` mean the same; a method has several names.
bool SameValue(std::string_view key, const YamlNode& a, const YamlNode& b) {
  if (a.kind == b.kind && a.scalar == b.scalar) return true;
  if (key != "type") return false;
  const Result<AttentionConfig> method_a = DefaultAttentionConfig(a.scalar);
  const Result<AttentionConfig> method_b = DefaultAttentionConfig(b.scalar);
  return method_a.ok() && method_b.ok() && method_a->index() == method_b->index();
}

// Puts `entry` into the model map, where it must not contradict what is there.
Status MergeEntry(std::string_view file, const YamlEntry& entry, YamlNode& model) {
  YamlEntry* there = model.Find(entry.key);
  if (there == nullptr) {
    model.entries.push_back(entry);
    return OkStatus();
  }
  if (there->value.kind == YamlNode::Kind::kNull) {
    *there = entry;
    return OkStatus();
  }
  if (SameValue(entry.key, entry.value, there->value)) return OkStatus();
  const std::string reason = entry.key == "type"
                                 ? fmt::format("one method serves both phases so far, one of {}",
                                               fmt::join(MethodNames(), ", "))
                                 : "both phases share their parameters so far";
  return Unsupported(fmt::format("{}: {} is {}, must be {} as {} is: {}", YamlPlace(file, entry),
                                 entry.path, ShowYaml(entry.value), ShowYaml(there->value),
                                 there->path, reason));
}

// One phase: the name of a method, or a map of `type` and parameters.
Status MergePhase(std::string_view file, const YamlEntry& phase, YamlNode& model) {
  const auto fail = [&](const YamlEntry& entry, std::string_view must) {
    return InvalidArgument(fmt::format("{}: {} is {}, {}", YamlPlace(file, entry), entry.path,
                                       ShowYaml(entry.value), must));
  };
  if (phase.value.kind == YamlNode::Kind::kNull) return OkStatus();
  if (phase.value.kind == YamlNode::Kind::kScalar) {
    YamlEntry type = phase;
    type.key = "type";
    return MergeEntry(file, type, model);
  }
  if (phase.value.kind != YamlNode::Kind::kMap) {
    return fail(phase, "must be a method's name or a map");
  }
  for (const YamlEntry& entry : phase.value.entries) {
    if (entry.value.kind == YamlNode::Kind::kList || entry.value.kind == YamlNode::Kind::kMap) {
      return fail(entry, "must be a scalar");
    }
    if (Contains(kRunKeys, entry.key)) {
      return InvalidArgument(fmt::format("{}: unknown key \"{}\" in {}, did you mean \"model.{}\"?",
                                         YamlPlace(file, entry), entry.key, phase.path, entry.key));
    }
    if (Status s = CheckKnownKey(entry, file, phase.path, ModelKeys()); !s.ok()) return s;
    if (Status s = MergeEntry(file, entry, model); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace

Status MergeAttentionSection(std::string_view file, YamlNode& root) {
  const YamlEntry* section = root.Find("attention");
  if (section == nullptr || section->value.kind == YamlNode::Kind::kNull) return OkStatus();
  if (section->value.kind != YamlNode::Kind::kMap) {
    return InvalidArgument(fmt::format("{}: attention is {}, must be a map of prefill and decode",
                                       YamlPlace(file, *section), ShowYaml(section->value)));
  }
  YamlEntry* model = root.Find("model");
  if (model == nullptr || model->value.kind != YamlNode::Kind::kMap) return OkStatus();
  for (const YamlEntry& phase : section->value.entries) {
    if (Status s = CheckKnownKey(phase, file, "attention", kPhases); !s.ok()) return s;
    if (Status s = MergePhase(file, phase, model->value); !s.ok()) return s;
  }
  return OkStatus();
}

AttentionConfig ReadAttention(YamlReader& model, Notes& notes) {
  const std::string type = model.String("type", "every run");
  if (!model.ok()) return DenseConfig();
  Result<AttentionConfig> config = DefaultAttentionConfig(type);
  if (!config.ok()) {
    model.Fail(config.status().WithPrefix(model.Name("type")));
    return DenseConfig();
  }
  std::visit([&](auto& method) { ReadMethod(model, method, notes); }, *config);
  return *std::move(config);
}

}  // namespace quarry
