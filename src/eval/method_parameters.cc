#include "eval/method_parameters.h"

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "quarry/attention_names.h"

namespace quarry::eval {
namespace {

template <typename T>
std::string Show(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(NameOf(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "yes" : "no";
  } else if constexpr (requires { value.has_value(); }) {
    return value ? Show(*value) : "none";
  } else {
    return fmt::format("{}", value);
  }
}

// A parameter by its name in the configuration struct, if this struct has it.
#define QUARRY_SHOW(name, always)                                      \
  if constexpr (requires { config.name; }) {                           \
    if (always || !(config.name == defaults.name)) {                   \
      parts.push_back(fmt::format("{}={}", #name, Show(config.name))); \
    }                                                                  \
  }

template <typename Config>
std::string Parameters(const Config& config) {
  const Config defaults;
  std::vector<std::string> parts;
  bool lines_given = true;  // minference: a pattern file gives lines, automatically coverage does
  if constexpr (requires { config.patterns; }) lines_given = !config.pattern_file.empty();
  QUARRY_SHOW(n_init, true)
  QUARRY_SHOW(n_local, true)
  QUARRY_SHOW(block_size, true)
  QUARRY_SHOW(topk, true)
  QUARRY_SHOW(repr_topk, true)
  QUARRY_SHOW(exc_block_size, true)
  QUARRY_SHOW(max_cached_block, false)
  QUARRY_SHOW(cache_strategy, false)
  QUARRY_SHOW(score_decay, false)
  QUARRY_SHOW(chunk_topk_calc, false)
  QUARRY_SHOW(perhead, false)
  QUARRY_SHOW(mask, false)
  QUARRY_SHOW(question_weight, true)
  QUARRY_SHOW(question_mode, false)
  QUARRY_SHOW(block_similarity, false)
  QUARRY_SHOW(page_size, true)
  QUARRY_SHOW(token_budget, true)
  QUARRY_SHOW(read_budget, true)
  QUARRY_SHOW(answer_budget, true)
  QUARRY_SHOW(dense_layers, true)
  QUARRY_SHOW(selection, false)
  QUARRY_SHOW(group_score, false)
  QUARRY_SHOW(page_bounds, false)
  QUARRY_SHOW(heavy_size, true)
  QUARRY_SHOW(recent_size, true)
  QUARRY_SHOW(cache_size, true)
  QUARRY_SHOW(gamma, true)
  QUARRY_SHOW(tau, true)
  QUARRY_SHOW(min_budget, true)
  QUARRY_SHOW(target_coverage, false)
  QUARRY_SHOW(max_budget, false)
  QUARRY_SHOW(pattern_file, false)
  QUARRY_SHOW(ratio, false)
  QUARRY_SHOW(coverage, !lines_given)
  QUARRY_SHOW(starting_layer, false)
  QUARRY_SHOW(n_last, false)
  QUARRY_SHOW(top_k, false)
  QUARRY_SHOW(vertical_size, lines_given)
  QUARRY_SHOW(slash_size, lines_given)
  (void)defaults;
  return fmt::format("{}", fmt::join(parts, " "));
}
#undef QUARRY_SHOW

std::string Parameters(const AttentionConfig& config) {
  return std::visit([](const auto& c) { return Parameters(c); }, config);
}

std::string Parameters(const PhaseMethods& methods) {
  const std::string prefill = Parameters(methods.prefill), decode = Parameters(methods.decode);
  if (methods.one_method()) return prefill;
  if (prefill.empty()) return decode;
  if (decode.empty()) return prefill;
  return fmt::format("prefill: {}; decode: {}", prefill, decode);
}

}  // namespace

std::string DescribeParameters(const AttentionSetup& setup) {
  std::string text = Parameters(setup.methods);
  for (const LayerRange& range : setup.layers) {
    const std::string own = Parameters(range.methods);
    text += fmt::format("{}layers {}-{}: {}{}{}", text.empty() ? "" : "; ", range.first, range.last,
                        Describe(AttentionSetup(range.methods.prefill, range.methods.decode)),
                        own.empty() ? "" : " ", own);
  }
  return text;
}

}  // namespace quarry::eval
