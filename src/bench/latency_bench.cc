#include "bench/latency_bench.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "attention/method_set.h"
#include "base/memory_info.h"
#include "bench/timing.h"
#include "eval/haystack.h"
#include "kernels/dispatch.h"

namespace quarry::bench {
namespace {

using Outcome = LatencyCell::Outcome;

Status CheckOptions(const LatencyBenchOptions& o) {
  if (o.methods.empty()) return InvalidArgument("methods: must name at least one");
  if (o.lengths.empty()) return InvalidArgument("lengths: must name at least one");
  for (int64_t n : o.lengths) {
    if (n < 1 || n > int64_t{1} << 28) {
      return InvalidArgument(
          fmt::format("lengths has {}, must be between 1 and {}", n, int64_t{1} << 28));
    }
  }
  if (o.new_tokens < 1 || o.new_tokens > 1 << 16) {
    return InvalidArgument(
        fmt::format("new_tokens is {}, must be between 1 and {}", o.new_tokens, 1 << 16));
  }
  if (!(o.max_seconds > 0)) {
    return InvalidArgument(fmt::format("max_seconds is {}, must be above 0", o.max_seconds));
  }
  return OkStatus();
}

double Median(std::vector<double> x) { return Summarize(std::move(x)).median_s; }

// FLOPs that reading `n` tokens takes: every weight of the layers once a token, the output layer
// once, and scores and sums of the attended pairs.
double PrefillFlops(const ModelInfo& m, double n, double density) {
  const auto table = static_cast<double>(m.vocab_size * m.hidden_size);
  const double layers =
      static_cast<double>(m.matrix_parameters) - table * (m.tied_embeddings ? 1 : 2);
  const double pairs = density * n * (n + 1) / 2 * static_cast<double>(m.layers * m.heads);
  return 2 * layers * n + 2 * table + 4 * static_cast<double>(m.head_dim) * pairs;
}

class LatencyBench {
 public:
  LatencyBench(const LatencyBenchOptions& options, const BenchControl& control,
               const Machine& machine)
      : o_(options), control_(control), machine_(machine) {}

  // All lengths of one method.
  Status Run(const LatencyBenchMethod& method, const std::string& text) {
    EngineOptions engine_options = method.engine;
    engine_options.context_warning = false;  // a note of the report says it
    Result<std::unique_ptr<Engine>> engine = Engine::Open(std::move(engine_options));
    if (!engine.ok()) return engine.status().WithPrefix(method.label);
    const Result<std::vector<TokenId>> ids = (*engine)->tokenizer().Encode(text);
    if (!ids.ok()) return ids.status();
    if (ids->empty()) return InvalidArgument("the text has no tokens");
    for (int64_t length : o_.lengths) {
      std::vector<TokenId> prompt(static_cast<size_t>(length));
      for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = (*ids)[i % ids->size()];
      const Result<LatencyCell> cell = Measure(method.label, **engine, std::move(prompt));
      if (!cell.ok()) return cell.status();
      if (cell->runs > 0 || cell->outcome != Outcome::kMeasured) cells_.push_back(*cell);
      if (control_.stopped() || cell->outcome != Outcome::kMeasured) break;
    }
    return OkStatus();
  }

  const std::vector<LatencyCell>& cells() const { return cells_; }

 private:
  Result<LatencyCell> Measure(const std::string& label, Engine& engine,
                              std::vector<TokenId> prompt) {
    LatencyCell cell = {.method = label, .length = static_cast<int64_t>(prompt.size())};
    ResetPeakRss();
    std::vector<double> prefill, decode;
    Status status;
    TimeWithin(o_.max_seconds, control_.cancel, [&] {
      const GenerateResult r = Generate(label, engine, prompt);
      const double seconds = r.prefill_seconds + r.decode_seconds;
      if (r.stop_reason == StopReason::kCancelled) {
        // Of the first run it says that the cell is too slow; of a later one, that time is up.
        if (!control_.stopped() && prefill.empty()) cell.outcome = Outcome::kTooSlow;
        return o_.max_seconds;
      }
      if (!r.status.ok()) {
        if (r.status.code() == StatusCode::kOutOfMemory) {
          cell.outcome = Outcome::kNoMemory;
        } else {
          status = r.status;
        }
        return o_.max_seconds;
      }
      prefill.push_back(r.prefill_seconds);
      decode.push_back(1e3 * r.decode_seconds / static_cast<double>(o_.new_tokens));
      cell.peak_rss_bytes = std::max(cell.peak_rss_bytes, r.peak_rss_bytes);
      cell.kv_bytes = r.kv_bytes;
      cell.density = r.density;
      return seconds;
    });
    if (!status.ok()) return status.WithPrefix(fmt::format("{} at {}", label, cell.length));
    if (prefill.empty()) return cell;
    // The first of a full set warmed up.
    if (prefill.size() > kRuns) {
      prefill.erase(prefill.begin());
      decode.erase(decode.begin());
    }
    cell.runs = static_cast<int>(prefill.size());
    cell.prefill_s = Median(std::move(prefill));
    cell.decode_ms = Median(std::move(decode));
    cell.prefill_peak_share =
        PrefillFlops(engine.model_info(), static_cast<double>(cell.length), cell.density) /
        cell.prefill_s / machine_.peaks.f32_flops;
    return cell;
  }

  // One prompt and its answer; cancelled once it takes longer than a cell may, or on request.
  GenerateResult Generate(const std::string& label, Engine& engine,
                          const std::vector<TokenId>& prompt) {
    std::promise<GenerateResult> done;
    std::atomic<RequestId> id = 0;
    GenerateCallbacks callbacks;
    const std::string what =
        fmt::format("{} at {}", label, eval::LengthLabel(static_cast<int64_t>(prompt.size())));
    callbacks.on_progress = [&](const GenerateProgress& p) {
      control_.Tell({what, p.prompt_tokens_read, p.prompt_tokens, "tokens", p.seconds});
      if (p.seconds > o_.max_seconds || control_.stopped()) engine.Cancel(id.load());
    };
    callbacks.on_done = [&](const GenerateResult& r) { done.set_value(r); };
    std::future<GenerateResult> future = done.get_future();
    const Result<RequestId> submitted = engine.Submit(
        {.prompt = prompt, .max_new_tokens = o_.new_tokens + 1, .ignore_eos = true}, callbacks);
    if (!submitted.ok()) {
      GenerateResult r;
      r.status = submitted.status();
      return r;
    }
    id = *submitted;
    // A chunk may take long, and decoding reports nothing: time is looked at from here too.
    const auto begin = std::chrono::steady_clock::now();
    while (future.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
      if (passed.count() > o_.max_seconds || control_.stopped()) engine.Cancel(id.load());
    }
    return future.get();
  }

  const LatencyBenchOptions& o_;
  const BenchControl& control_;
  const Machine& machine_;
  std::vector<LatencyCell> cells_;
};

// Which methods run beyond what the model was trained for, and what that means.
std::vector<std::string> ContextNotes(const LatencyBenchOptions& o, const ModelInfo& info) {
  if (o.lengths.back() <= info.native_context) return {};
  std::string methods;
  for (const LatencyBenchMethod& m : o.methods) {
    const MethodSet set(m.engine.attention, static_cast<int>(info.layers));
    if (set.needs().farthest.value_or(o.lengths.back()) > info.native_context) {
      methods += (methods.empty() ? "" : ", ") + m.label;
    }
  }
  if (methods.empty()) return {};
  return {
      fmt::format("The model was trained for {} tokens. Beyond that, {} compute what they would "
                  "with a model trained for more, but the text means nothing to the model: times "
                  "and memory only.",
                  info.native_context, methods)};
}

}  // namespace

Result<BenchReport> RunLatencyBench(const LatencyBenchOptions& o, const BenchControl& control) {
  if (const Status s = CheckOptions(o); !s.ok()) return s;
  const Result<ModelInfo> info = InspectModel(o.methods[0].engine.model);
  if (!info.ok()) return info.status();
  for (const LatencyBenchMethod& m : o.methods) {
    if (const Status s = Validate(m.engine.attention); !s.ok()) return s.WithPrefix(m.label);
  }
  const Result<eval::Haystack> text = eval::FindHaystack(o.text, o.roots);
  if (!text.ok()) return text.status();
  const Result<int> threads = ThreadCount(o.methods[0].engine.threads);
  if (!threads.ok()) return threads.status();
  const auto kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) return kernels.status();
  BenchReport report;
  {
    ThreadPool pool(*threads);
    report.machine = MeasureMachine(**kernels, pool);
  }
  report.notes = {
      fmt::format("{}: {:.1f} million parameters, {} layers, {} heads of {}, {} KV heads.",
                  o.methods[0].engine.model, static_cast<double>(info->parameters) / 1e6,
                  info->layers, info->heads, info->head_dim, info->kv_heads),
      fmt::format(
          "Prompts are the tokens of {}, repeated and cut to the length; then {} tokens are "
          "decoded. Loading and tokenizing are not in the times.",
          text->name(), o.new_tokens),
      fmt::format(
          "Medians of {} runs after one to warm up; of fewer where those take more than {:g} "
          "s, the limit of a cell.",
          kRuns, o.max_seconds)};
  for (std::string& note : ContextNotes(o, *info)) report.notes.push_back(std::move(note));

  LatencyBench bench(o, control, report.machine);
  std::vector<std::string> labels;
  for (const LatencyBenchMethod& m : o.methods) {
    labels.push_back(m.label);
    if (control.stopped()) continue;
    if (const Status s = bench.Run(m, text->text()); !s.ok()) return s;
  }
  AddLatencyTables(bench.cells(), labels, o.lengths, o.max_seconds, report);
  return report;
}

}  // namespace quarry::bench
