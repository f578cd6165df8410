#include "bench/attention_bench.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/memory_info.h"
#include "bench/layer_run.h"
#include "kernels/dispatch.h"
#include "tensor/dtype.h"

namespace quarry::bench {
namespace {

constexpr int64_t kDecodeSteps = 32;
constexpr int64_t kLeastLength = 2 * kDecodeSteps;
constexpr int64_t kMostLength = int64_t{1} << 24;

Status CheckOptions(const AttentionBenchOptions& o) {
  if (o.lengths.empty()) return InvalidArgument("lengths: must name at least one");
  const int64_t most = o.recorded ? o.recorded->tokens() : kMostLength;
  for (int64_t n : o.lengths) {
    if (n < kLeastLength || n > most) {
      return InvalidArgument(fmt::format("lengths has {}, must be between {} and {}{}", n,
                                         kLeastLength, most,
                                         o.recorded ? ", the tokens of the recording" : ""));
    }
  }
  if (o.rows < 1 || o.rows > 1 << 20) {
    return InvalidArgument(fmt::format("rows is {}, must be between 1 and {}", o.rows, 1 << 20));
  }
  for (const AttentionBenchMethod& m : o.methods) {
    const Status s = Validate(AttentionSetup(m.methods.prefill, m.methods.decode));
    if (!s.ok()) return s;
  }
  return o.recorded ? OkStatus() : Validate(o.structured);
}

Status CheckMemory(const ModelShape& shape, int64_t tokens, DType kv_dtype) {
  const int64_t values = tokens * (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  // What the methods keep besides, raw keys and summaries, is as much again at most.
  const int64_t kept = 2 * tokens * 2 * shape.kv_heads * shape.head_dim;
  const auto needed = static_cast<uint64_t>(values) * sizeof(float) +
                      static_cast<uint64_t>(kept) * SizeOf(kv_dtype);
  const uint64_t available = AvailableMemoryBytes();
  if (needed <= available) return OkStatus();
  return OutOfMemory(fmt::format("{} tokens of {} heads of {} need {} MiB, {} MiB are available",
                                 tokens, shape.heads, shape.head_dim, needed >> 20,
                                 available >> 20));
}

AttentionConfig SparseInEveryLayer(AttentionConfig config) {
  std::visit(
      [](auto& c) {
        if constexpr (requires { c.dense_layers; }) c.dense_layers = 0;
        if constexpr (requires { c.starting_layer; }) c.starting_layer = 0;
      },
      config);
  return config;
}

struct Subject {
  std::string label;
  AttentionConfig config;
};

// Dense first.
std::vector<Subject> SubjectsOf(const AttentionBenchOptions& o, Phase phase) {
  std::vector<Subject> subjects = {{"dense", DenseConfig{}}};
  for (const AttentionBenchMethod& m : o.methods) {
    const AttentionConfig& config = phase == Phase::kPrefill ? m.methods.prefill : m.methods.decode;
    if (std::holds_alternative<DenseConfig>(config)) continue;
    subjects.push_back({m.label, SparseInEveryLayer(config)});
  }
  return subjects;
}

double RelativeError(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    error += d * d;
    size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return size > 0 ? std::sqrt(error / size) : 0;
}

class AttentionBench {
 public:
  AttentionBench(const AttentionBenchOptions& options, ExecContext& ctx,
                 const BenchControl& control, BenchReport& report)
      : o_(options), ctx_(ctx), control_(control), report_(report) {}

  Status Run() {
    std::vector<std::pair<Phase, Table>> tables;
    if (o_.prefill) tables.emplace_back(Phase::kPrefill, Table("prefill"));
    if (o_.decode) tables.emplace_back(Phase::kDecode, Table("decode"));
    Status status;
    for (int64_t length : o_.lengths) {
      if (control_.stopped() || !status.ok()) break;
      status = CheckMemory(o_.recorded ? o_.recorded->shape() : ModelShapeOf(o_.structured), length,
                           o_.kv_dtype);
      if (!status.ok()) break;
      control_.Tell({.what = fmt::format("making {}", eval::LengthLabel(length)), .total = 1});
      Result<LayerData> data = o_.recorded
                                   ? o_.recorded->Read(length)
                                   : Result<LayerData>(StructuredLayer(o_.structured, length));
      if (!data.ok()) return data.status();
      for (auto& [phase, table] : tables) {
        status = Compare(*data, phase, table);
        if (!status.ok()) break;
      }
    }
    for (auto& [phase, table] : tables) {
      if (table.empty()) continue;
      report_.tables.push_back(std::move(table));
      report_.charts.push_back(Chart(phase));
    }
    // What was measured before the memory ran out is worth having.
    if (status.ok() || report_.tables.empty()) return status;
    report_.notes.push_back(fmt::format("Ended early: {}", status.message()));
    return OkStatus();
  }

 private:
  static ModelShape ModelShapeOf(const StructuredShape& s) {
    return {1, s.heads, s.kv_heads, s.head_dim};
  }

  Status Compare(const LayerData& data, Phase phase, Table& table) {
    const bool decode = phase == Phase::kDecode;
    const LayerTask task = {.phase = phase,
                            .rows = decode ? 1 : std::min(o_.rows, data.tokens),
                            .calls = decode ? kDecodeSteps : 1,
                            .kv_dtype = o_.kv_dtype};
    LayerResult dense;
    std::vector<float> exact;
    if (ctx_.bf16_products()) {
      ExecContext f32(ctx_.kernels(), ctx_.threads().size());
      Result<LayerResult> result = RunLayer(DenseConfig{}, data, task, 0, f32, control_);
      if (!result.ok()) return result.status();
      exact = std::move(result->outputs);
    }
    for (const Subject& s : SubjectsOf(o_, phase)) {
      const std::string what = fmt::format("{} {} at {}", s.label, decode ? "decode" : "prefill",
                                           eval::LengthLabel(data.tokens));
      BenchControl named = control_;
      named.on_progress = [&](BenchProgress p) {
        p.what = what;
        control_.Tell(p);
      };
      Result<LayerResult> result = RunLayer(s.config, data, task, o_.budget_s, ctx_, named);
      if (!result.ok()) return result.status().WithPrefix(what);
      if (result->total.runs == 0) return OkStatus();
      if (dense.total.runs == 0) dense = *result;
      const std::vector<float>& want = exact.empty() ? dense.outputs : exact;
      const double error = RelativeError(result->outputs, want);
      table.Add(RowOf(s.label, data, task, *result, dense.total.median_s, error));
      lines_[phase].push_back({s.label, data.tokens, 1e3 * result->total.median_s});
    }
    return OkStatus();
  }

  Row RowOf(const std::string& label, const LayerData& data, const LayerTask& task,
            const LayerResult& r, double dense_s, double error) const {
    const double seconds = r.total.median_s, density = r.pairs.Density();
    const double speed_up = dense_s / seconds;
    const auto pairs = static_cast<double>(r.pairs.attended) / static_cast<double>(task.calls);
    Row row;
    row.Number("length", static_cast<double>(data.tokens), 0).Text("method", label);
    if (task.phase == Phase::kPrefill) row.Number("rows", static_cast<double>(task.rows), 0);
    row.Number("ms", 1e3 * seconds, 3)
        .Number("runs", r.total.runs, 0)
        .Number("speed-up", speed_up, 2)
        .Number("density %", 100 * density, 2)
        .Number("ideal", 1 / density, 2)
        .Number("% of ideal", 100 * speed_up * density, 0)
        .Number("select ms", 1e3 * r.plan_s, 3)
        .Number("select %", 100 * r.plan_s / seconds, 1)
        .Number("error", error, 4);
    const Peaks& peaks = report_.machine.peaks;
    if (task.phase == Phase::kPrefill) {
      const double flops = 4.0 * data.shape.head_dim * pairs / seconds;
      const bool bf16 =
          ctx_.bf16_products() || (ctx_.kernels().prefers_bf16 && o_.kv_dtype == DType::kBF16);
      return row.Number("GFLOP/s", flops / 1e9, 0)
          .Number(bf16 ? "% of bf16" : "% of f32",
                  100 * flops / (bf16 ? peaks.bf16_flops : peaks.f32_flops), 0);
    }
    // A key and a value for every pair of the KV head, whose query heads share them.
    const double bytes = pairs / data.shape.group() * data.shape.head_dim * 2 *
                         static_cast<double>(SizeOf(o_.kv_dtype)) / seconds;
    return row.Number("GB/s", bytes / 1e9, 1)
        .Number("% of read", 100 * bytes / peaks.read_bytes, 0);
  }

  struct Point {
    std::string label;
    int64_t length;
    double ms;
  };

  eval::LineChart Chart(Phase phase) {
    eval::LineChart chart = {.title = phase == Phase::kPrefill
                                          ? fmt::format("prefill: the last {} tokens", o_.rows)
                                          : "decode: one token",
                             .x_label = "context length in tokens",
                             .y_label = "milliseconds",
                             .lines = {},
                             .log_x = true,
                             .log_y = true};
    for (const Point& p : lines_[phase]) {
      auto line = std::ranges::find(chart.lines, p.label, &eval::LineChart::Line::name);
      if (line == chart.lines.end()) line = chart.lines.insert(line, {p.label, {}});
      line->points.emplace_back(static_cast<double>(p.length), p.ms);
    }
    return chart;
  }

  const AttentionBenchOptions& o_;
  ExecContext& ctx_;
  const BenchControl& control_;
  BenchReport& report_;
  std::map<Phase, std::vector<Point>> lines_;
};

}  // namespace

Result<BenchReport> RunAttentionBench(const AttentionBenchOptions& o, const BenchControl& control) {
  if (const Status s = CheckOptions(o); !s.ok()) return s;
  const Result<int> threads = ThreadCount(o.threads);
  if (!threads.ok()) return threads.status();
  const auto kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) return kernels.status();
  ExecContext ctx(**kernels, *threads, o.fast);
  BenchReport report;
  report.machine = MeasureMachine(**kernels, ctx.threads());
  const ModelShape shape =
      o.recorded ? o.recorded->shape()
                 : ModelShape{1, o.structured.heads, o.structured.kv_heads, o.structured.head_dim};
  report.notes = {
      fmt::format("One layer: {}, {} query heads of {} over {} KV heads, {}.",
                  o.recorded ? o.recorded->name() : "structured heads", shape.heads, shape.head_dim,
                  shape.kv_heads, DTypeName(o.kv_dtype)),
      fmt::format("Prefill times the last {} tokens of each length as one call (all of a shorter "
                  "one), after all before them were read; a whole dense prompt would cost the "
                  "square of its length. Decode times each of the last {} tokens.",
                  o.rows, kDecodeSteps),
      fmt::format("Medians of {} runs from the same past; of fewer where those take more than {:g} "
                  "s. Selection is part of ms.",
                  kRuns, o.budget_s)};
  if (o.recorded) {
    report.notes.push_back(
        "stream-llm, infinite-lm, inf-llm, qllm and inf-quest see keys at distances of their own: "
        "their error against dense attention is partly that, by design.");
  }
  AttentionBench bench(o, ctx, control, report);
  if (const Status s = bench.Run(); !s.ok()) return s;
  return report;
}

}  // namespace quarry::bench
