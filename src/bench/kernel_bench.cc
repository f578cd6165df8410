#include "bench/kernel_bench.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/aligned_buffer.h"
#include "base/checked_math.h"
#include "base/rng.h"
#include "bench/made_data.h"
#include "bench/timing.h"
#include "kernels/dispatch.h"

namespace quarry::bench {
namespace {

using kernels::KernelTable;

constexpr int kDecodeRows = 8;  // at most; more are a prompt's

struct Workload {
  const KernelTable& kernels;
  ThreadPool& pool;
  const Peaks& peaks;
};

// A loop that reads `bytes` a second.
Row BytesRow(const Workload& w, const std::string& kernel, const Timing& time, double bytes) {
  return Row()
      .Text("kernel", kernel)
      .Number("us", time.median_s * 1e6, 1)
      .Number("GB/s", bytes / 1e9, 1)
      .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0);
}

struct AttendShape {
  DType type;
  int head_dim, rows, tokens;
  bool may_round;
};

// Every thread attends on its own; `tokens` of keys and values each.
void Attend(const Workload& w, Table& table, const AttendShape& s) {
  std::vector<AttendData> threads;
  for (int i = 0; i < w.pool.size(); ++i) {
    threads.emplace_back(w.kernels, s.type, s.head_dim, s.rows, s.tokens, s.may_round);
  }
  const Timing time = Time([&] {
    w.pool.Run(w.pool.size(), [&](int64_t i, int) { threads[static_cast<size_t>(i)].Attend(); });
  });
  const double flops = 4.0 * s.rows * s.tokens * s.head_dim * w.pool.size() / time.median_s;
  const double bytes =
      static_cast<double>(threads[0].key_and_value_bytes()) * w.pool.size() / time.median_s;
  // Of the arithmetic that it uses.
  const bool bf16 = w.kernels.prefers_bf16 && (s.may_round || s.type == DType::kBF16);
  const bool integers = s.type == DType::kI8 && s.rows <= kDecodeRows;  // where the CPU has them
  const char* products = bf16 ? "bf16" : integers ? "f32 or integer" : "f32";
  const double peak_flops = bf16 ? w.peaks.bf16_flops : w.peaks.f32_flops;
  table.Add(Row()
                .Text("kernel", s.rows > kDecodeRows ? "attend, prefill" : "attend, decode")
                .Text("dtype", std::string(DTypeName(s.type)))
                .Text("products", products)
                .Number("head_dim", s.head_dim, 0)
                .Number("rows", s.rows, 0)
                .Number("tokens", s.tokens, 0)
                .Number("us", time.median_s * 1e6, 1)
                .Number("GFLOP/s", flops / 1e9, 1)
                .Number("% of peak FLOP/s", 100 * flops / peak_flops, 0)
                .Number("GB/s", bytes / 1e9, 1)
                .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0));
}

void Gemv(const Workload& w, Table& table, DType type, int64_t n, int64_t k) {
  const int64_t n_panels = n / kernels::kWeightPanel;
  const int64_t panel_bytes = k * kernels::kWeightPanel * static_cast<int64_t>(SizeOf(type));
  const auto gemv = type == DType::kF32   ? w.kernels.gemv_f32
                    : type == DType::kF16 ? w.kernels.gemv_f16
                                          : w.kernels.gemv_bf16;
  const AlignedBuffer weights = MadeBytes(static_cast<size_t>(n_panels * panel_bytes));
  std::vector<float> x(static_cast<size_t>(k), 0.5f), y(static_cast<size_t>(n));
  const Timing time = Time([&] {
    w.pool.Run(n_panels, [&](int64_t p, int) {
      const kernels::GemvArgs args = {.w = weights.data() + p * panel_bytes,
                                      .k = k,
                                      .n_panels = 1,
                                      .x = x.data(),
                                      .x_stride = k,
                                      .rows = 1,
                                      .y = y.data() + p * kernels::kWeightPanel,
                                      .y_stride = n};
      gemv(args);
    });
  });
  const double bytes = static_cast<double>(n_panels * panel_bytes) / time.median_s;
  table.Add(BytesRow(w, fmt::format("gemv {} {}x{}", DTypeName(type), n, k), time, bytes));
}

// Quantised weights: random blocks, one row of inputs quantised once, as a decoding step does.
void GemvQuant(const Workload& w, Table& table, WeightType type, int64_t n, int64_t k) {
  const int64_t n_panels = n / kernels::kWeightPanel;
  const int64_t panel_bytes = kernels::kWeightPanel * RowBytes(type, k);
  const AlignedBuffer weights = MadeBytes(static_cast<size_t>(n_panels * panel_bytes));
  std::vector<float> x(static_cast<size_t>(k), 0.5f), y(static_cast<size_t>(n));
  std::vector<kernels::InputGroup> groups(static_cast<size_t>(k / kernels::kGroupInputs));
  const Timing time = Time([&] {
    w.kernels.quantize_inputs(x.data(), k, groups.data());
    w.pool.Run(n_panels, [&](int64_t p, int) {
      w.kernels.gemv_quant({.type = type,
                            .w = weights.data() + p * panel_bytes,
                            .k = k,
                            .x = groups.data(),
                            .x_stride = k / kernels::kGroupInputs,
                            .rows = 1,
                            .y = y.data() + p * kernels::kWeightPanel,
                            .y_stride = n});
    });
  });
  const double bytes = static_cast<double>(n_panels * panel_bytes) / time.median_s;
  table.Add(BytesRow(w, fmt::format("gemv {} {}x{}", WeightTypeName(type), n, k), time, bytes));
}

// Widening of quantised weights, as a prefill does it: one panel at a time into a cache.
void UnpackQuant(const Workload& w, Table& table, WeightType type, int64_t k) {
  const AlignedBuffer panel =
      MadeBytes(static_cast<size_t>(kernels::kWeightPanel * RowBytes(type, k)));
  std::vector<AlignedBuffer> out(static_cast<size_t>(w.pool.size()));
  for (AlignedBuffer& b : out)
    b = AlignedBuffer(static_cast<size_t>(k * kernels::kWeightPanel) * 4);
  const Timing time = Time([&] {
    w.pool.Run(w.pool.size(), [&](int64_t i, int) {
      w.kernels.unpack_quant(type, panel.data(), k, out[static_cast<size_t>(i)].as<float>(),
                             kernels::kWeightPanel);
    });
  });
  const double values =
      static_cast<double>(k * kernels::kWeightPanel * w.pool.size()) / time.median_s;
  table.Add(Row()
                .Text("kernel", fmt::format("widen {} {}x64", WeightTypeName(type), k))
                .Number("us", time.median_s * 1e6, 1)
                .Number("Gvalues/s", values / 1e9, 1));
}

void DotRows(const Workload& w, Table& table, DType type, int64_t n, int64_t dim) {
  const AlignedBuffer rows = MadeBytes(static_cast<size_t>(n * dim) * SizeOf(type));
  std::vector<float> x(static_cast<size_t>(dim), 0.5f), scores(static_cast<size_t>(n));
  constexpr int64_t kRows = 512;
  const Timing time = Time([&] {
    w.pool.Run(n / kRows, [&](int64_t i, int) {
      w.kernels.dot_rows(type, rows.data() + i * kRows * dim * static_cast<int64_t>(SizeOf(type)),
                         kRows, dim, x.data(), scores.data() + i * kRows);
    });
  });
  const double bytes = static_cast<double>(rows.size()) / time.median_s;
  table.Add(BytesRow(w, fmt::format("dot_rows {} {}x{}", DTypeName(type), n, dim), time, bytes));
}

void PageBounds(const Workload& w, Table& table, DType type, int rows, int head_dim,
                int64_t pages) {
  constexpr int64_t kPiece = 64;  // panels
  const int64_t n_panels = pages / kernels::kPanelTokens;
  const size_t side = kernels::KeyPanelBytes(type, head_dim);
  const AlignedBuffer panels = MadeBytes(2 * static_cast<size_t>(n_panels) * side);
  const std::vector<float> q(static_cast<size_t>(rows * head_dim), 0.5f);
  std::vector<float> scores(static_cast<size_t>(rows * pages));
  const Timing time = Time([&] {
    w.pool.Run(n_panels / kPiece, [&](int64_t piece, int) {
      for (int64_t i = piece * kPiece; i < (piece + 1) * kPiece; ++i) {
        const std::byte* panel = panels.data() + 2 * static_cast<size_t>(i) * side;
        const std::byte* ahead = i + 2 < n_panels ? panel + 4 * side : panel;
        w.kernels.page_bounds({.dtype = type,
                               .head_dim = head_dim,
                               .rows = rows,
                               .up = q.data(),
                               .down = q.data(),
                               .high = panel,
                               .low = panel + side,
                               .scores = scores.data() + i * kernels::kPanelTokens,
                               .stride = pages,
                               .ahead_high = ahead,
                               .ahead_low = ahead + side});
      }
    });
  });
  const double bytes = static_cast<double>(panels.size()) / time.median_s;
  table.Add(BytesRow(
      w, fmt::format("page_bounds {} {}x{}, {} queries", DTypeName(type), pages, head_dim, rows),
      time, bytes));
}

void TopK(const Workload& w, Table& table, int64_t n, int64_t k) {
  Rng rng(1);
  std::vector<float> scores(static_cast<size_t>(n));
  for (float& x : scores) x = static_cast<float>(100 * rng.Uniform());
  std::vector<int32_t> out(static_cast<size_t>(k)), order(scores.size());
  const Timing ours = Time([&] { w.kernels.top_k(scores.data(), n, k, out.data()); });
  const Timing theirs = Time([&] {
    std::iota(order.begin(), order.end(), 0);
    std::nth_element(order.begin(), order.begin() + k, order.end(), [&](int32_t a, int32_t b) {
      return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    std::sort(order.begin(), order.begin() + k);
  });
  table.Add(Row()
                .Text("kernel", fmt::format("top_k {} of {}", k, n))
                .Number("us", ours.median_s * 1e6, 1)
                .Number("nth_element us", theirs.median_s * 1e6, 1));
}

// One measurement: its kernel's row into `table`.
struct Step {
  std::string what;
  size_t table;
  std::function<void(const Workload&, Table&)> run;
};

// n, rounded up so that panels and slices are whole.
int64_t RoundRows(int64_t n) { return RoundUp(n, 1024); }

std::vector<Step> Steps(int threads, bool prefers_bf16) {
  const int64_t bytes = BytesBeyondCaches();
  std::vector<Step> steps;
  for (DType type : {DType::kBF16, DType::kF16, DType::kI8, DType::kF32}) {
    for (int head_dim : {64, 128}) {
      for (int rows : {128, 2, 8}) {
        const auto token_bytes = static_cast<int64_t>(kernels::KeyPanelBytes(type, head_dim) +
                                                      kernels::ValuePanelBytes(type, head_dim)) /
                                 kernels::kPanelTokens;
        const auto many = static_cast<int>(RoundRows(bytes / threads / token_bytes));
        const int tokens = rows > kDecodeRows ? 2048 : many;
        const auto add = [&](bool may_round) {
          steps.push_back({"attention", 0, [=](const Workload& w, Table& t) {
                             Attend(w, t, {type, head_dim, rows, tokens, may_round});
                           }});
        };
        add(false);
        if (prefers_bf16 && type != DType::kBF16 && rows > kDecodeRows) add(true);
      }
    }
  }
  constexpr int64_t kInputs = 8192;
  for (DType type : {DType::kBF16, DType::kF16, DType::kF32}) {
    const int64_t n = RoundRows(bytes / kInputs / static_cast<int64_t>(SizeOf(type)));
    steps.push_back(
        {"gemv", 1, [=](const Workload& w, Table& t) { Gemv(w, t, type, n, kInputs); }});
  }
  for (DType type : {DType::kBF16, DType::kF32}) {
    constexpr int64_t kDim = 256;
    const int64_t n = RoundRows(bytes / kDim / static_cast<int64_t>(SizeOf(type)));
    steps.push_back(
        {"dot_rows", 1, [=](const Workload& w, Table& t) { DotRows(w, t, type, n, kDim); }});
  }
  for (WeightType type : kWeightTypes) {
    if (!IsQuantized(type)) continue;
    const int64_t n = RoundRows(bytes / RowBytes(type, kInputs));
    steps.push_back(
        {"gemv", 1, [=](const Workload& w, Table& t) { GemvQuant(w, t, type, n, kInputs); }});
  }
  for (DType type : {DType::kF16, DType::kI8}) {
    for (int rows : {1, 4}) {
      constexpr int kDim = 128;
      const auto page_bytes =
          static_cast<int64_t>(2 * kernels::KeyPanelBytes(type, kDim) / kernels::kPanelTokens);
      const int64_t pages = RoundRows(bytes / page_bytes);
      steps.push_back({"page_bounds", 1, [=](const Workload& w, Table& t) {
                         PageBounds(w, t, type, rows, kDim, pages);
                       }});
    }
  }
  for (WeightType type : kWeightTypes) {
    if (!IsQuantized(type)) continue;
    steps.push_back(
        {"widen", 2, [=](const Workload& w, Table& t) { UnpackQuant(w, t, type, 2048); }});
  }
  for (const auto& [n, k] : {std::pair(8192, 127), {65536, 255}}) {
    steps.push_back(
        {"top_k", 3, [n = n, k = k](const Workload& w, Table& t) { TopK(w, t, n, k); }});
  }
  return steps;
}

}  // namespace

Result<BenchReport> RunKernelBench(const KernelBenchOptions& o, const BenchControl& control) {
  const auto chosen = o.isa.empty() ? kernels::ChooseKernelsFromEnvironment()
                                    : kernels::ChooseKernels(o.isa, "isa");
  if (!chosen.ok()) return chosen.status();
  const Result<int> threads = ThreadCount(o.threads);
  if (!threads.ok()) return threads.status();
  ThreadPool pool(*threads);
  BenchReport report;
  report.machine = MeasureMachine(**chosen, pool);
  report.tables = {Table("attention kernel"), Table("memory-bound kernels"),
                   Table("quantised weights to f32"), Table("selection, one thread")};
  const Workload w = {**chosen, pool, report.machine.peaks};
  const std::vector<Step> steps = Steps(pool.size(), (*chosen)->prefers_bf16);
  const auto begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < steps.size() && !control.stopped(); ++i) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    control.Tell({steps[i].what, static_cast<int64_t>(i), static_cast<int64_t>(steps.size()),
                  "kernels", passed.count()});
    steps[i].run(w, report.tables[steps[i].table]);
  }
  return report;
}

}  // namespace quarry::bench
