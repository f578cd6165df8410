#include "quarry/attention_config.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/quoted.h"

namespace quarry {
namespace {

// Any sum of a few lengths, and blocks * block size * head dimension * bytes, stay below 2^63.
constexpr int64_t kMaxTokens = int64_t{1} << 30;
constexpr int64_t kMaxBlockSize = int64_t{1} << 20;
constexpr int64_t kMaxBlocks = int64_t{1} << 20;
constexpr double kMaxQuestionWeight = 1e6;

// `limit` explains `max` where it is not a plain number: "n_local (4096)".
Status CheckRange(std::string_view method, std::string_view key, int64_t value, int64_t min,
                  int64_t max, std::string_view limit = {}) {
  if (value >= min && value <= max) return OkStatus();
  return InvalidArgument(fmt::format("{}: {} is {}, must be between {} and {}", method, key, value,
                                     min, limit.empty() ? fmt::to_string(max) : limit));
}

Status First(std::initializer_list<Status> checks) {
  for (const Status& s : checks) {
    if (!s.ok()) return s;
  }
  return OkStatus();
}

Status ValidateWindow(std::string_view method, int64_t n_init, int64_t n_local) {
  return First({CheckRange(method, "n_init", n_init, 0, kMaxTokens),
                CheckRange(method, "n_local", n_local, 1, kMaxTokens)});
}

Status ValidateScoreDecay(std::string_view method, const InfLlmConfig& c) {
  if (!c.score_decay.has_value()) {
    if (c.cache_strategy != CachePolicy::kLruS) return OkStatus();
    return InvalidArgument(
        fmt::format("{}: score_decay is not given, cache_strategy lru-s needs it, a number between "
                    "0 and 1",
                    method));
  }
  if (*c.score_decay >= 0 && *c.score_decay <= 1) return OkStatus();
  return InvalidArgument(
      fmt::format("{}: score_decay is {}, must be between 0 and 1", method, *c.score_decay));
}

constexpr int64_t kMaxLayers = 10000;
constexpr double kMaxRatio = 1000;

Status CheckNumber(std::string_view method, std::string_view key, double value, bool in_range,
                   std::string_view must) {
  if (in_range) return OkStatus();
  return InvalidArgument(fmt::format("{}: {} is {}, must be {}", method, key, value, must));
}

// `least`: the budget that grows, called `name`.
Status ValidateGrowth(std::string_view method, double target, std::optional<int64_t> most,
                      std::string_view name, int64_t least) {
  if (Status s = CheckNumber(method, "target_coverage", target, target >= 0 && target < 1,
                             "above 0 and below 1, or 0 for fixed budgets");
      !s.ok()) {
    return s;
  }
  if (!most || (target > 0 && *most >= least && *most <= kMaxTokens)) return OkStatus();
  if (target == 0) {
    return InvalidArgument(
        fmt::format("{}: max_budget is {}, needs a target_coverage above 0", method, *most));
  }
  return InvalidArgument(fmt::format("{}: max_budget is {}, must be between {} ({}) and {}", method,
                                     *most, name, least, kMaxTokens));
}

Status ValidateMemory(std::string_view method, const InfLlmConfig& c) {
  const std::string n_local = fmt::format("n_local ({})", c.n_local);
  const std::string block_size = fmt::format("block_size ({})", c.block_size);
  return First({ValidateWindow(method, c.n_init, c.n_local),
                CheckRange(method, "block_size", c.block_size, 1, kMaxBlockSize),
                CheckRange(method, "topk", c.topk, 1, kMaxBlocks),
                CheckRange(method, "repr_topk", c.repr_topk, 1, c.block_size, block_size),
                CheckRange(method, "exc_block_size", c.exc_block_size, 1, c.n_local, n_local),
                CheckRange(method, "max_cached_block", c.max_cached_block, 1, kMaxTokens),
                ValidateScoreDecay(method, c),
                ValidateGrowth(method, c.target_coverage, c.max_budget, "topk * block_size",
                               c.topk * c.block_size)});
}

Status ValidateAShape(std::string_view method, const AShapeConfig& c) {
  return First({ValidateWindow(method, c.n_init, c.n_local),
                CheckRange(method, "starting_layer", c.starting_layer, 0, kMaxLayers)});
}

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"origin", DenseConfig::kName},
    {"full", DenseConfig::kName},
    {"stream-lm", StreamLlmConfig::kName},
    {"streaming", StreamLlmConfig::kName},
    {"minfer", MInferenceConfig::kName},
    {"flex_prefill", FlexPrefillConfig::kName},
    {"flex-prefill", FlexPrefillConfig::kName},
    {"a_shape", AShapeConfig::kName},
    {"tri_shape", TriShapeConfig::kName},
};

// Calls f(T()) for every alternative T of AttentionConfig, in order.
template <typename F, size_t... I>
void ForEachMethod(F f, std::index_sequence<I...>) {
  (f(std::variant_alternative_t<I, AttentionConfig>()), ...);
}
template <typename F>
void ForEachMethod(F f) {
  ForEachMethod(f, std::make_index_sequence<std::variant_size_v<AttentionConfig>>());
}

}  // namespace

Status StreamLlmConfig::Validate() const { return ValidateWindow(kName, n_init, n_local); }

Status InfiniteLmConfig::Validate() const { return ValidateWindow(kName, n_init, n_local); }

Status InfLlmConfig::Validate() const {
  Status s = ValidateMemory(kName, *this);
  if (!s.ok() || !chunk_topk_calc.has_value()) return s;
  if (*chunk_topk_calc >= exc_block_size && *chunk_topk_calc <= kMaxTokens) return OkStatus();
  return InvalidArgument(
      fmt::format("{}: chunk_topk_calc is {}, must be between exc_block_size ({}) and {}", kName,
                  *chunk_topk_calc, exc_block_size, kMaxTokens));
}

Status QLlmConfig::Validate() const {
  Status s = ValidateMemory(kName, *this);
  if (!s.ok()) return s;
  // One selection for many execution blocks would leave the question out of the score.
  if (chunk_topk_calc.has_value()) {
    return InvalidArgument(
        fmt::format("{}: chunk_topk_calc is {}, must not be given: only inf-llm has it", kName,
                    *chunk_topk_calc));
  }
  // Written so that NaN fails.
  if (question_weight >= 0 && question_weight <= kMaxQuestionWeight) return OkStatus();
  return InvalidArgument(fmt::format("{}: question_weight is {}, must be between 0 and {}", kName,
                                     question_weight, kMaxQuestionWeight));
}

Status InfQuestConfig::Validate() const {
  const std::string n_local_limit = fmt::format("n_local ({})", n_local);
  return First(
      {ValidateWindow(kName, n_init, n_local),
       CheckRange(kName, "page_size", page_size, 1, kMaxBlockSize),
       CheckRange(kName, "read_budget", read_budget, 0, kMaxTokens),
       CheckRange(kName, "answer_budget", answer_budget, page_size, kMaxTokens),
       CheckRange(kName, "exc_block_size", exc_block_size, 1, n_local, n_local_limit),
       read_budget > answer_budget
           ? ValidateGrowth(kName, target_coverage, max_budget, "read_budget", read_budget)
           : ValidateGrowth(kName, target_coverage, max_budget, "answer_budget", answer_budget)});
}

Status QuestConfig::Validate() const {
  const bool eval = selection == QuestSelection::kEval;
  if (Status s = CheckRange(kName, "page_size", page_size, 1, kMaxBlockSize); !s.ok()) return s;
  // The kernel path always keeps the last page; the evaluation path keeps three whatever is asked.
  const int64_t least = eval ? 1 : page_size;
  if (token_budget < least || token_budget > kMaxTokens) {
    return InvalidArgument(fmt::format(
        "{}: token_budget is {}, must be between {} and {}", kName, token_budget,
        eval ? std::string("1") : fmt::format("page_size ({})", page_size), kMaxTokens));
  }
  const Status s =
      First({CheckRange(kName, "dense_layers", dense_layers, 0, kMaxTokens),
             ValidateGrowth(kName, target_coverage, max_budget, "token_budget", token_budget)});
  if (!s.ok() || !eval || group_score == QuestGroup::kPerHead) return s;
  return InvalidArgument(
      fmt::format("{}: group_score must be per-head where selection is eval", kName));
}

Status H2oConfig::Validate() const {
  const Status s = First({CheckRange(kName, "heavy_size", heavy_size, 0, kMaxTokens),
                          CheckRange(kName, "recent_size", recent_size, 0, kMaxTokens)});
  if (!s.ok() || heavy_size + recent_size > 0) return s;
  return InvalidArgument(
      fmt::format("{}: heavy_size and recent_size are 0, one must be at least 1", kName));
}

Status TovaConfig::Validate() const {
  return CheckRange(kName, "cache_size", cache_size, 1, kMaxTokens);
}

Status AShapeConfig::Validate() const { return ValidateAShape(kName, *this); }

Status TriShapeConfig::Validate() const {
  return First({ValidateAShape(kName, *this), CheckRange(kName, "n_last", n_last, 0, kMaxTokens)});
}

Status MInferenceConfig::Validate() const {
  return First({CheckNumber(kName, "coverage", coverage, coverage > 0 && coverage <= 1,
                            "above 0 and at most 1"),
                CheckRange(kName, "vertical_size", vertical_size, 0, kMaxTokens),
                CheckRange(kName, "slash_size", slash_size, 0, kMaxTokens),
                CheckRange(kName, "top_k", top_k, 1, kMaxBlocks),
                CheckNumber(kName, "ratio", ratio, ratio > 0 && ratio <= kMaxRatio,
                            fmt::format("above 0 and at most {}", kMaxRatio)),
                CheckRange(kName, "starting_layer", starting_layer, 0, kMaxLayers)});
}

Status FlexPrefillConfig::Validate() const {
  if (block_size != 16 && block_size != 32 && block_size != 64 && block_size != 128) {
    return InvalidArgument(
        fmt::format("{}: block_size is {}, must be 16, 32, 64 or 128", kName, block_size));
  }
  return First(
      {CheckNumber(kName, "gamma", gamma, gamma > 0 && gamma <= 1, "above 0 and at most 1"),
       CheckNumber(kName, "tau", tau, tau >= 0 && tau <= 1, "between 0 and 1"),
       CheckRange(kName, "min_budget", min_budget, 1, kMaxTokens),
       max_budget ? CheckRange(kName, "max_budget", *max_budget, 1, kMaxTokens) : OkStatus()});
}

std::vector<std::string_view> MethodNames() {
  std::vector<std::string_view> names;
  ForEachMethod([&](const auto& config) { names.push_back(config.kName); });
  return names;
}

Result<AttentionConfig> DefaultAttentionConfig(std::string_view name) {
  std::string_view canonical = name;
  for (const auto& [alias, target] : kAliases) {
    if (name == alias) canonical = target;
  }
  std::optional<AttentionConfig> found;
  ForEachMethod([&](auto config) {
    if (config.kName == canonical) found = config;
  });
  if (found.has_value()) return *found;

  std::vector<std::string_view> known = MethodNames();
  for (const auto& [alias, target] : kAliases) known.push_back(alias);
  return InvalidArgument(
      fmt::format("unknown attention method {}{}", Quoted(name), Suggestion(name, known)));
}

std::string_view MethodName(const AttentionConfig& config) {
  return std::visit([](const auto& c) { return c.kName; }, config);
}

PhaseSupport PhasesOf(const AttentionConfig& config) {
  return std::visit([](const auto& c) { return c.kPhases; }, config);
}

Status Validate(const AttentionConfig& config) {
  return std::visit([](const auto& c) { return c.Validate(); }, config);
}

}  // namespace quarry
