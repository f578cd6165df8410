#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "quarry/attention_names.h"
#include "quarry/config.h"

#include "base/quoted.h"
#include "format/run_config.h"

namespace quarry {
namespace {

// Parameters in YAML, one line each, as a run configuration has them.
std::string Keys(const DenseConfig&) { return ""; }
std::string WindowKeys(int64_t n_init, int64_t n_local) {
  return fmt::format("  n_init: {}\n  n_local: {}\n", n_init, n_local);
}
std::string Keys(const StreamLlmConfig& c) { return WindowKeys(c.n_init, c.n_local); }
std::string Keys(const InfiniteLmConfig& c) { return WindowKeys(c.n_init, c.n_local); }
std::string Keys(const InfLlmConfig& c) {
  return WindowKeys(c.n_init, c.n_local) +
         fmt::format(
             "  block_size: {}\n  topk: {}\n  repr_topk: {}\n  exc_block_size: {}\n"
             "  max_cached_block: {}\n  mask: {}\n",
             c.block_size, c.topk, c.repr_topk, c.exc_block_size, c.max_cached_block,
             NameOf(c.mask));
}
std::string Keys(const QLlmConfig& c) {
  return Keys(static_cast<const InfLlmConfig&>(c)) +
         fmt::format("  question_weight: {}\n", c.question_weight);
}
std::string Keys(const InfQuestConfig& c) {
  return WindowKeys(c.n_init, c.n_local) +
         fmt::format(
             "  page_size: {}\n  read_budget: {}\n  answer_budget: {}\n  exc_block_size: {}\n",
             c.page_size, c.read_budget, c.answer_budget, c.exc_block_size);
}
std::string Keys(const QuestConfig& c) {
  return fmt::format(
      "  page_size: {}\n  token_budget: {}\n  dense_layers: {}\n  selection: {}\n"
      "  group_score: {}\n",
      c.page_size, c.token_budget, c.dense_layers, NameOf(c.selection), NameOf(c.group_score));
}
std::string Keys(const H2oConfig& c) {
  return fmt::format("  heavy_size: {}\n  recent_size: {}\n", c.heavy_size, c.recent_size);
}
std::string Keys(const TovaConfig& c) { return fmt::format("  cache_size: {}\n", c.cache_size); }
std::string Keys(const AShapeConfig& c) { return WindowKeys(c.n_init, c.n_local); }
std::string Keys(const TriShapeConfig& c) {
  return WindowKeys(c.n_init, c.n_local) + fmt::format("  n_last: {}\n", c.n_last);
}
std::string Keys(const MInferenceConfig&) { return ""; }
std::string Keys(const FlexPrefillConfig& c) {
  return fmt::format("  block_size: {}\n  min_budget: {}\n", c.block_size, c.min_budget);
}

std::string KeysOf(const AttentionConfig& method) {
  return std::visit([](const auto& c) { return Keys(c); }, method);
}

// What an override without a phase is to a method.
enum class Fit { kUnknown, kRefused, kAccepted };

// `others`: overrides that the method has besides.
Fit FitOf(const AttentionConfig& method, std::vector<std::string> others,
          const std::string& override) {
  std::erase(others, override);
  others.push_back(override);
  const std::string yaml =
      fmt::format("model:\n  path: unset\n  type: {}\n{}", MethodName(method), KeysOf(method));
  const Result<RunConfig> run = ParseRunConfig(yaml, "defaults", others);
  if (!run.ok()) return Fit::kRefused;
  const std::string unused =
      fmt::format("model.{}: not used by", override.substr(0, override.find('=')));
  const bool unknown = std::any_of(run->notes.begin(), run->notes.end(),
                                   [&](const auto& note) { return note.starts_with(unused); });
  return unknown ? Fit::kUnknown : Fit::kAccepted;
}

// Whether an override names a method's parameter, but no phase.
bool IsParameter(const std::string& override) {
  // Dense attention has no parameters: what it uses is of the run.
  return Contains(ModelKeys(), override.substr(0, override.find('='))) &&
         FitOf(DenseConfig(), {}, override) == Fit::kUnknown;
}

// Gives every override that names a parameter but no phase the phase whose method it is for.
class Router {
 public:
  Router(const PhaseMethods& methods, const std::vector<std::string>& overrides)
      : methods_(methods),
        prefill_(Own("prefill.", methods.prefill, overrides)),
        decode_(Own("decode.", methods.decode, overrides)) {}

  Result<std::string> Route(const std::string& override) const {
    if (!IsParameter(override)) return override;
    const Fit prefill = FitOf(methods_.prefill, prefill_, override);
    const Fit decode = FitOf(methods_.decode, decode_, override);
    if (prefill == Fit::kUnknown && decode == Fit::kUnknown) return override;
    if (decode == Fit::kUnknown || (prefill == Fit::kAccepted && decode == Fit::kRefused)) {
      return "attention.prefill." + override;
    }
    if (prefill == Fit::kUnknown || (decode == Fit::kAccepted && prefill == Fit::kRefused)) {
      return "attention.decode." + override;
    }
    const std::string key = override.substr(0, override.find('='));
    return InvalidArgument(
        fmt::format("override {}: {} and {} both have {}, must be prefill.{} or decode.{}",
                    OneLine(override, 80), MethodName(methods_.prefill),
                    MethodName(methods_.decode), key, key, key));
  }

 private:
  // Those that name the phase, without it, and those that its method takes: a parameter may need
  // another one.
  static std::vector<std::string> Own(std::string_view phase, const AttentionConfig& method,
                                      const std::vector<std::string>& overrides) {
    std::vector<std::string> own;
    for (const std::string& o : overrides) {
      if (o.starts_with(phase)) {
        own.push_back(o.substr(phase.size()));
      } else if (IsParameter(o) && FitOf(method, {}, o) == Fit::kAccepted) {
        own.push_back(o);
      }
    }
    return own;
  }

  const PhaseMethods& methods_;
  std::vector<std::string> prefill_, decode_;
};

}  // namespace

AttentionConfig SuggestAttentionConfig(const AttentionConfig& method, int64_t native_context,
                                       int64_t sliding_window) {
  AttentionConfig config = method;
  // Half of what the model was trained for leaves the other half for sinks and memory; the
  // published configurations do the same. Blocks shrink with the window.
  const int64_t window = std::clamp<int64_t>(native_context / 2, 16, 4096);
  if (auto* c = std::get_if<AShapeConfig>(&config)) c->n_local = window;
  if (auto* c = std::get_if<TriShapeConfig>(&config)) c->n_local = window;
  if (auto* c = std::get_if<FlexPrefillConfig>(&config)) {
    c->block_size = window >= 2048 ? 128 : window >= 1024 ? 64 : 32;
    c->min_budget = std::clamp<int64_t>(window / 4, c->block_size, c->min_budget);
  }
  const auto fit = [&](auto& c) {
    c.n_local = window;
    if (sliding_window == 0) return;
    c.n_init = std::min(c.n_init, sliding_window / 8);
    c.n_local = std::min(c.n_local, sliding_window - c.n_init);
  };
  if (auto* c = std::get_if<StreamLlmConfig>(&config)) fit(*c);
  if (auto* c = std::get_if<InfiniteLmConfig>(&config)) fit(*c);
  const auto memory = [&](InfLlmConfig& c) {
    fit(c);
    c.block_size = std::clamp<int64_t>(c.n_local / 32, 16, 128);
    c.exc_block_size = std::min<int64_t>(512, std::max<int64_t>(16, c.n_local / 8));
    c.n_init = std::min<int64_t>(c.n_init, c.n_local / 8);
  };
  if (auto* c = std::get_if<InfLlmConfig>(&config)) memory(*c);
  if (auto* c = std::get_if<InfQuestConfig>(&config)) {
    fit(*c);
    c->n_init = std::min<int64_t>(c->n_init, c->n_local / 8);
    c->exc_block_size = std::min<int64_t>(c->exc_block_size, std::max<int64_t>(1, c->n_local / 8));
    c->read_budget = std::min<int64_t>(c->read_budget, c->n_local / 4);
    c->answer_budget = std::max(c->page_size, std::min<int64_t>(c->answer_budget, c->n_local / 2));
  }
  if (auto* c = std::get_if<QLlmConfig>(&config)) memory(*c);
  return config;
}

MethodChoice ChooseMethods(int64_t tokens, int64_t native_context) {
  // Below this dense attention is a small share of a prompt's cost.
  constexpr int64_t kShort = 8192;
  if (tokens > native_context) {
    return {InfQuestConfig::kName, InfQuestConfig::kName, "longer than the model was trained for"};
  }
  if (tokens <= kShort) return {DenseConfig::kName, DenseConfig::kName, "short"};
  return {MInferenceConfig::kName, QuestConfig::kName, "long, within the trained length"};
}

int64_t SuggestChunkSize(const AttentionSetup& setup) {
  const auto estimates = [](const PhaseMethods& m) {
    return std::holds_alternative<MInferenceConfig>(m.prefill) ||
           std::holds_alternative<FlexPrefillConfig>(m.prefill);
  };
  const bool any = estimates(setup.methods) ||
                   std::any_of(setup.layers.begin(), setup.layers.end(),
                               [&](const LayerRange& range) { return estimates(range.methods); });
  return any ? 8192 : 512;
}

Result<RunConfig> DefaultRunConfig(const PhaseMethods& methods,
                                   std::span<const std::string> overrides) {
  std::string yaml = "model:\n  path: unset\n";
  std::vector<std::string> all(overrides.begin(), overrides.end());
  // `type` alone would let dense attention stand in for a method that serves one phase only.
  if (methods.one_method() && PhaseMethods(methods.prefill).one_method()) {
    yaml += fmt::format("  type: {}\n", MethodName(methods.prefill)) + KeysOf(methods.prefill);
  } else {
    yaml += "attention:\n";
    for (const auto& [phase, method] :
         {std::pair("prefill", &methods.prefill), std::pair("decode", &methods.decode)}) {
      // Keys comes indented for the model map; a phase stands one level deeper.
      std::string lines = fmt::format("  type: {}\n", MethodName(*method)) + KeysOf(*method);
      yaml += fmt::format("  {}:\n", phase);
      for (size_t begin = 0; begin < lines.size();) {
        const size_t end = lines.find('\n', begin) + 1;
        yaml += "  " + lines.substr(begin, end - begin);
        begin = end;
      }
    }
    const Router router(methods, all);
    for (std::string& o : all) {
      Result<std::string> routed = router.Route(o);
      if (!routed.ok()) return routed.status();
      o = std::move(*routed);
    }
  }
  Result<RunConfig> run = ParseRunConfig(yaml, "defaults", all);
  if (run.ok() && run->tokenizer_path == "unset") run->tokenizer_path.clear();
  if (run.ok() && run->model_path == "unset") run->model_path.clear();
  return run;
}

}  // namespace quarry
