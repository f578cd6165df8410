#include "cli/inspect_command.h"

#include <memory>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "quarry/config.h"
#include "quarry/model_info.h"

#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/lists.h"
#include "cli/model_options.h"

namespace quarry::cli {
namespace {

struct InspectOptions {
  std::string model;
  std::string quantize;
  std::vector<std::string> context_texts;
  std::vector<int64_t> contexts;
  std::string kv_dtype = "f16";
  bool json = false;
};

// Memory of every method with the parameters it would get for this model.
struct Column {
  std::string_view method;
  std::vector<MemoryPlan> plans;  // per context
  int64_t fits = 0;               // tokens, at most kMostTokens; 0: not one
};

constexpr int64_t kMostTokens = int64_t{1} << 30;

// The most tokens whose plan stays within `bytes`.
template <typename PlanOf>
int64_t MostTokens(uint64_t bytes, PlanOf plan_of) {
  int64_t low = 0, high = kMostTokens;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (plan_of(middle).total() <= bytes) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

std::vector<Column> PlanAll(const ModelInfo& info, const InspectOptions& o, DType kv,
                            std::optional<WeightType> quantize) {
  std::vector<Column> columns;
  const int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (std::string_view name : MethodNames()) {
    const Result<AttentionConfig> config = DefaultAttentionConfig(name);
    if (!config.ok()) continue;
    const AttentionSetup fitted =
        SuggestAttentionConfig(*config, info.native_context, info.sliding_window);
    Column column = {name, {}};
    const auto plan_of = [&](int64_t tokens) {
      return PlanMemory(info, fitted,
                        {.tokens = tokens,
                         .weight_dtype = info.weight_dtype,
                         .quantize = quantize,
                         .kv_dtype = kv,
                         .chunk_size = SuggestChunkSize(fitted),
                         .threads = threads});
    };
    for (int64_t tokens : o.contexts) column.plans.push_back(plan_of(tokens));
    column.fits = MostTokens(AvailableMemory(), plan_of);
    columns.push_back(std::move(column));
  }
  return columns;
}

std::string Tokens(int64_t n) { return n == kMostTokens ? "any" : WithCommas(n); }

void PrintText(const ModelInfo& m, const InspectOptions& o, const std::vector<Column>& columns,
               Output& out) {
  const auto line = [&](std::string_view key, const std::string& value) {
    out.Write(fmt::format("{:<16} {}\n", key, Printable(value)));
  };
  line("architecture", fmt::format("{} ({})", m.architecture, m.model_type));
  line("parameters", fmt::format("{}, {} as {}", WithCommas(m.parameters), HumanBytes(m.file_bytes),
                                 fmt::join(m.dtypes, ", ")));
  line("layers", fmt::to_string(m.layers));
  line("hidden", fmt::format("{}, MLP {}", m.hidden_size, m.intermediate_size));
  line("heads",
       fmt::format("{} query, {} key/value, of {} channels", m.heads, m.kv_heads, m.head_dim));
  line("vocabulary", fmt::format("{}{}", WithCommas(m.vocab_size),
                                 m.tied_embeddings ? ", tied to the output" : ""));
  line("native context", fmt::format("{} tokens", WithCommas(m.native_context)));
  line("RoPE", m.rope);
  if (m.sliding_window > 0) {
    line("sliding window", fmt::format("{} tokens in {} of {} layers", WithCommas(m.sliding_window),
                                       m.sliding_layers, m.layers));
  }
  for (const std::string& feature : m.features) line("also", feature);
  for (const std::string& note : m.notes) line("note", note);

  out.Write(fmt::format("\nmemory for one sequence, weights included, keys and values in {}\n",
                        o.kv_dtype));
  std::string header = fmt::format("{:>12}", "tokens");
  for (const Column& c : columns) header += fmt::format("  {:>12}", c.method);
  out.Write(header + "\n");
  for (size_t i = 0; i < o.contexts.size(); ++i) {
    std::string row = fmt::format("{:>12}", WithCommas(o.contexts[i]));
    for (const Column& c : columns) row += fmt::format("  {:>12}", HumanBytes(c.plans[i].total()));
    out.Write(row + "\n");
  }
  const uint64_t available = AvailableMemory();
  if (available == UINT64_MAX) return;
  std::string row = fmt::format("{:>12}", "fits up to");
  for (const Column& c : columns) row += fmt::format("  {:>12}", Tokens(c.fits));
  out.Write(row + "\n\n");
  const uint64_t weights = columns.front().plans.front().weights;
  line("memory", fmt::format("{} are available now, the weights take {}", HumanBytes(available),
                             HumanBytes(weights)));
  if (weights > available) {
    line("plan", o.quantize.empty() ? "does not fit: try --quantize q8_0 or q4_0"
                                    : "does not fit on this machine");
    return;
  }
  // What --method auto would take, for a text within and one beyond the trained length.
  constexpr int64_t kAnswer = 256;
  std::vector<std::string> plans;
  for (int64_t tokens : {m.native_context, 4 * m.native_context}) {
    const MethodChoice choice = ChooseMethods(tokens, m.native_context);
    int64_t fits = kMostTokens;
    for (const Column& c : columns) {
      if (c.method == choice.prefill || c.method == choice.decode) fits = std::min(fits, c.fits);
    }
    const bool within = tokens <= m.native_context;
    if (within && fits < kAnswer) {
      plans.push_back("no room for a text");
      break;
    }
    plans.push_back(
        fmt::format("{} {}: {}", within ? "up to" : "beyond, up to",
                    Tokens(within ? std::min(fits, m.native_context) : fits),
                    choice.prefill == choice.decode
                        ? fmt::format("--method {}", choice.prefill)
                        : fmt::format("--prefill {} --decode {}", choice.prefill, choice.decode)));
    if (within && fits <= m.native_context) break;
  }
  line("plan", fmt::format("{}", fmt::join(plans, "; ")));
}

void PrintJson(const ModelInfo& m, const InspectOptions& o, const std::vector<Column>& columns,
               Output& out) {
  nlohmann::ordered_json memory = nlohmann::ordered_json::array();
  for (const Column& c : columns) {
    for (size_t i = 0; i < o.contexts.size(); ++i) {
      const MemoryPlan& p = c.plans[i];
      memory.push_back({{"method", c.method},
                        {"tokens", o.contexts[i]},
                        {"weight_bytes", p.weights},
                        {"kv_bytes", p.kv},
                        {"state_bytes", p.state},
                        {"work_bytes", p.work},
                        {"total_bytes", p.total()},
                        {"fits", p.total() <= AvailableMemory()},
                        {"most_tokens", c.fits}});
    }
  }
  const nlohmann::ordered_json object = {{"architecture", m.architecture},
                                         {"model_type", m.model_type},
                                         {"parameters", m.parameters},
                                         {"file_bytes", m.file_bytes},
                                         {"dtypes", m.dtypes},
                                         {"layers", m.layers},
                                         {"hidden_size", m.hidden_size},
                                         {"intermediate_size", m.intermediate_size},
                                         {"heads", m.heads},
                                         {"kv_heads", m.kv_heads},
                                         {"head_dim", m.head_dim},
                                         {"vocab_size", m.vocab_size},
                                         {"native_context", m.native_context},
                                         {"rope", m.rope},
                                         {"sliding_window", m.sliding_window},
                                         {"sliding_layers", m.sliding_layers},
                                         {"features", m.features},
                                         {"tied_embeddings", m.tied_embeddings},
                                         {"notes", m.notes},
                                         {"memory", memory}};
  out.Write(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int Inspect(InspectOptions o) {
  const Result<ModelInfo> info = InspectModel(o.model);
  if (!info.ok()) return Fail(info.status());
  const Result<DType> kv = ParseKvDType(o.kv_dtype);
  if (!kv.ok()) return Fail(kv.status());
  const Result<std::optional<WeightType>> quantize = ParseQuantize(o.quantize);
  if (!quantize.ok()) return Fail(quantize.status());
  Result<std::vector<int64_t>> contexts = ParseSizes("--context", o.context_texts);
  if (!contexts.ok()) return Fail(contexts.status());
  for (int64_t tokens : *contexts) {
    if (tokens < 1 || tokens > kMostTokens) {
      return Fail(InvalidArgument(
          fmt::format("--context is {}, must be between 1 and {}", tokens, kMostTokens)));
    }
  }
  o.contexts = std::move(*contexts);
  if (o.contexts.empty()) {
    o.contexts = {info->native_context, 16 << 10, 128 << 10, 1 << 20};
    std::sort(o.contexts.begin(), o.contexts.end());
    o.contexts.erase(std::unique(o.contexts.begin(), o.contexts.end()), o.contexts.end());
  }
  const std::vector<Column> columns = PlanAll(*info, o, *kv, *quantize);
  Output out;
  if (o.json) {
    PrintJson(*info, o, columns, out);
  } else {
    PrintText(*info, o, columns, out);
  }
  return out.status().ok() ? kExitOk : Fail(out.status());
}

}  // namespace

void AddInspectCommand(CLI::App& app, int* exit_code) {
  CLI::App* c = app.add_subcommand(
      "inspect", "what a model is, and the memory each method needs at a given context");
  auto o = std::make_shared<InspectOptions>();
  c->add_option("model", o->model, "model folder or GGUF file")->required();
  c->add_option("--context", o->context_texts,
                "context length in tokens: 100000, 128K or LOW:HIGH:COUNT (repeatable)")
      ->type_name("LIST")
      ->allow_extra_args(false);
  c->add_option("--kv-dtype", o->kv_dtype, "keys and values: f16, bf16, f32, int8")
      ->capture_default_str();
  c->add_option("--quantize", o->quantize,
                "weights as quantised on loading would take: q8_0, q4_0");
  c->add_flag("--json", o->json, "print JSON");
  c->footer("Example:\n  quarry inspect models/needle-5m --context 1000000");
  c->callback([o, exit_code] { *exit_code = Inspect(*o); });
}

}  // namespace quarry::cli
