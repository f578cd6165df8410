#include <array>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "quarry/attention_names.h"

#include "format/run_config.h"

namespace quarry {
namespace {

using Notes = std::vector<std::string>;

template <typename Enum>
Enum ReadEnum(YamlReader& in, std::string_view key, Enum fallback) {
  return static_cast<Enum>(in.OneOf(key, NamesOf(fallback), static_cast<size_t>(fallback)));
}

template <typename Config>
void ReadGrowth(YamlReader& in, Config& c) {
  c.target_coverage = in.NumberOr("target_coverage", c.target_coverage);
  if (in.Has("max_budget")) c.max_budget = in.IntOr("max_budget", 0);
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
  c.mask = ReadEnum(in, "mask", c.mask);
  c.cache_strategy = ReadEnum(in, "cache_strategy", CachePolicy::kLru);
  ReadGrowth(in, c);
  if (in.Has("score_decay")) {
    c.score_decay = in.NumberOr("score_decay", 0);
    if (c.cache_strategy != CachePolicy::kLruS) {
      c.score_decay.reset();
      notes.push_back(fmt::format("model.score_decay: not used by cache_strategy {}",
                                  NameOf(c.cache_strategy)));
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
  c.question_mode = ReadEnum(in, "question_mode", c.question_mode);
  c.block_similarity = ReadEnum(in, "block_similarity", c.block_similarity);
}
void ReadMethod(YamlReader& in, InfQuestConfig& c, Notes&) {
  c.n_init = in.Int("n_init", c.kName);
  c.n_local = in.Int("n_local", c.kName);
  c.page_size = in.IntOr("page_size", c.page_size);
  c.read_budget = in.IntOr("read_budget", c.read_budget);
  c.answer_budget = in.IntOr("answer_budget", c.answer_budget);
  c.exc_block_size = in.IntOr("exc_block_size", c.exc_block_size);
  c.group_score = ReadEnum(in, "group_score", c.group_score);
  c.page_bounds = ReadEnum(in, "page_bounds", c.page_bounds);
  ReadGrowth(in, c);
}
void ReadMethod(YamlReader& in, QuestConfig& c, Notes&) {
  c.page_size = in.IntOr("page_size", c.page_size);
  c.token_budget = in.IntOr("token_budget", c.token_budget);
  c.dense_layers = in.IntOr("dense_layers", c.dense_layers);
  c.selection = ReadEnum(in, "selection", c.selection);
  c.group_score = ReadEnum(in, "group_score", c.group_score);
  c.page_bounds = ReadEnum(in, "page_bounds", c.page_bounds);
  ReadGrowth(in, c);
}
void ReadMethod(YamlReader& in, H2oConfig& c, Notes&) {
  c.heavy_size = in.IntOr("heavy_size", c.heavy_size);
  c.recent_size = in.IntOr("recent_size", c.recent_size);
}
void ReadMethod(YamlReader& in, TovaConfig& c, Notes&) {
  c.cache_size = in.IntOr("cache_size", c.cache_size);
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
void ReadMethod(YamlReader& in, MInferenceConfig& c, Notes& notes) {
  c.pattern_file = in.StringOr("pattern_file", c.pattern_file);
  c.coverage = in.NumberOr("coverage", c.coverage);
  c.vertical_size = in.IntOr("vertical_size", c.vertical_size);
  c.slash_size = in.IntOr("slash_size", c.slash_size);
  c.top_k = in.IntOr("top_k", c.top_k);
  c.ratio = in.NumberOr("ratio", c.ratio);
  c.starting_layer = in.IntOr("starting_layer", c.starting_layer);
  const bool file = !c.pattern_file.empty();
  if (file && in.Has("coverage")) {
    notes.push_back("model.coverage: no effect with a pattern_file, which has the sizes");
  }
  for (std::string_view key : {"vertical_size", "slash_size", "top_k", "ratio"}) {
    if (!file && in.Has(key)) {
      notes.push_back(fmt::format("model.{}: no effect without a pattern_file", key));
    }
  }
}
void ReadMethod(YamlReader& in, FlexPrefillConfig& c, Notes&) {
  c.gamma = in.NumberOr("gamma", c.gamma);
  c.tau = in.NumberOr("tau", c.tau);
  c.min_budget = in.IntOr("min_budget", c.min_budget);
  if (in.Has("max_budget")) c.max_budget = in.IntOr("max_budget", 0);
  c.block_size = in.IntOr("block_size", c.block_size);
  c.selection = ReadEnum(in, "selection", c.selection);
}

}  // namespace

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
