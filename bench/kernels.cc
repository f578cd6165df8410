// bench_kernels: the hot kernels alone, each with its share of this machine's measured peak.
//
// Workloads
//   attend prefill   128 rows (2 heads x 64 positions) over 2048 tokens: FLOP/s
//   attend decode    2 rows (one position of a group) over 64K tokens of one KV head: bytes/s
//   gemv             4096 x 4096 matrix, one row: bytes/s; quantised ones 16384 x 8192
//   widen            one panel of 64 quantised rows to f32: values/s
//   dot_rows         block representatives, 64K rows of 256: bytes/s
//   page_bounds      Quest's bounds of 64K pages (1M tokens of one KV head), 1 and 4 queries:
//                    bytes/s
//   top_k            the best pages of 128K and 1M tokens, beside std::nth_element
//
//   bench_kernels [--isa NAME] [--threads N] [--json FILE]

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "bench/harness.h"
#include "kernels/dispatch.h"

namespace quarry::bench {
namespace {

using kernels::KernelTable;
using kernels::KeyPanel;

AlignedBuffer RandomBytes(size_t bytes) {
  AlignedBuffer b(bytes);
  Rng rng(1);
  // bf16 and f32 values near 1, either sign: no subnormals, no NaN.
  for (size_t i = 0; i + 2 <= bytes; i += 2) {
    const uint16_t bits = static_cast<uint16_t>(0x3f00u | (rng.Next() & 0x807fu));
    std::memcpy(b.data() + i, &bits, 2);
  }
  return b;
}

struct Workload {
  const KernelTable& kernels;
  ThreadPool& pool;
  const Peaks& peaks;
};

// Every thread attends on its own; `tokens` of keys and values each.
void Attend(const Workload& w, Table& table, DType type, int head_dim, int rows, int tokens) {
  const int n_panels = tokens / kernels::kPanelTokens;
  struct PerThread {
    AlignedBuffer keys, values, scratch;
    std::vector<float> q, m, d, o;
    std::vector<int32_t> lo, hi;
    std::vector<KeyPanel> panels;
  };
  std::vector<PerThread> threads(static_cast<size_t>(w.pool.size()));
  const size_t kb = kernels::KeyPanelBytes(type, head_dim);
  const size_t vb = kernels::ValuePanelBytes(type, head_dim);
  const auto n_rows = static_cast<size_t>(rows);
  for (PerThread& t : threads) {
    t.keys = RandomBytes(kb * static_cast<size_t>(n_panels));
    t.values = RandomBytes(vb * static_cast<size_t>(n_panels));
    t.scratch = AlignedBuffer(
        static_cast<size_t>(w.kernels.attend_scratch_floats(rows, head_dim)) * 4 + 64);
    t.q.assign(n_rows * static_cast<size_t>(head_dim), 0.1f);
    t.m.assign(n_rows, -INFINITY);
    t.d.assign(n_rows, 0);
    t.o.assign(n_rows * static_cast<size_t>(kernels::ValueStride(head_dim)), 0);
    t.lo.assign(n_rows, 0);
    t.hi.assign(n_rows, tokens);
    for (int p = 0; p < n_panels && type == DType::kI8; ++p) {
      std::byte* key = t.keys.data() + kb * static_cast<size_t>(p);
      std::byte* value = t.values.data() + vb * static_cast<size_t>(p);
      const size_t n = kernels::ScaleBytes(type, head_dim) / sizeof(BFloat16);
      std::fill_n(const_cast<BFloat16*>(kernels::KeyScales(key, head_dim)), n, ToBFloat16(0.01f));
      std::fill_n(const_cast<BFloat16*>(kernels::ValueScales(value, head_dim)), n,
                  ToBFloat16(0.01f));
    }
    for (int p = 0; p < n_panels; ++p) {
      t.panels.push_back({t.keys.data() + kb * static_cast<size_t>(p),
                          t.values.data() + vb * static_cast<size_t>(p), p * 16, 0xffff});
    }
  }
  const Timing time = Time([&] {
    w.pool.Run(w.pool.size(), [&](int64_t i, int) {
      PerThread& t = threads[static_cast<size_t>(i)];
      w.kernels.attend({.dtype = type,
                        .head_dim = head_dim,
                        .rows = rows,
                        .q = t.q.data(),
                        .lo = t.lo.data(),
                        .hi = t.hi.data(),
                        .panels = t.panels.data(),
                        .n_panels = n_panels,
                        .scale = 0.125f,
                        .m = t.m.data(),
                        .d = t.d.data(),
                        .o = t.o.data(),
                        .weights = nullptr,
                        .tile_max = nullptr,
                        .scratch = t.scratch.as<float>()});
    });
  });
  const double flops = 4.0 * rows * tokens * head_dim * w.pool.size() / time.median_s;
  const double bytes = static_cast<double>((kb + vb) * static_cast<size_t>(n_panels)) *
                       w.pool.size() / time.median_s;
  const double peak_flops = std::max(w.peaks.f32_flops, w.peaks.bf16_flops);
  table.Add(Row()
                .Text("kernel", rows > 8 ? "attend, prefill" : "attend, decode")
                .Text("dtype", std::string(DTypeName(type)))
                .Number("head_dim", head_dim, 0)
                .Number("rows", rows, 0)
                .Number("tokens", tokens, 0)
                .Number("us", time.median_s * 1e6, 1)
                .Number("GFLOP/s", flops / 1e9, 1)
                .Number("% of peak FLOP/s", 100 * flops / peak_flops, 0)
                .Number("GB/s", bytes / 1e9, 1)
                .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0));
}

void Gemv(const Workload& w, Table& table, bool bf16, int64_t n, int64_t k) {
  const int64_t n_panels = n / kernels::kWeightPanel;
  const int64_t panel_bytes = k * kernels::kWeightPanel * (bf16 ? 2 : 4);
  const AlignedBuffer weights = RandomBytes(static_cast<size_t>(n_panels * panel_bytes));
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
      (bf16 ? w.kernels.gemv_bf16 : w.kernels.gemv_f32)(args);
    });
  });
  const double bytes = static_cast<double>(n_panels * panel_bytes) / time.median_s;
  table.Add(Row()
                .Text("kernel", fmt::format("gemv {} {}x{}", bf16 ? "bf16" : "f32", n, k))
                .Number("us", time.median_s * 1e6, 1)
                .Number("GB/s", bytes / 1e9, 1)
                .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0));
}

// Quantised weights: random blocks, one row of inputs quantised once, as a decoding step does.
void GemvQuant(const Workload& w, Table& table, WeightType type, int64_t n, int64_t k) {
  const int64_t n_panels = n / kernels::kWeightPanel;
  const int64_t panel_bytes = kernels::kWeightPanel * RowBytes(type, k);
  const AlignedBuffer weights = RandomBytes(static_cast<size_t>(n_panels * panel_bytes));
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
  table.Add(Row()
                .Text("kernel", fmt::format("gemv {} {}x{}", WeightTypeName(type), n, k))
                .Number("us", time.median_s * 1e6, 1)
                .Number("GB/s", bytes / 1e9, 1)
                .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0));
}

// Widening of quantised weights, as a prefill does it: one panel at a time into a cache.
void UnpackQuant(const Workload& w, Table& table, WeightType type, int64_t k) {
  const AlignedBuffer panel =
      RandomBytes(static_cast<size_t>(kernels::kWeightPanel * RowBytes(type, k)));
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
  const AlignedBuffer rows = RandomBytes(static_cast<size_t>(n * dim) * SizeOf(type));
  std::vector<float> x(static_cast<size_t>(dim), 0.5f), scores(static_cast<size_t>(n));
  constexpr int64_t kRows = 512;
  const Timing time = Time([&] {
    w.pool.Run(n / kRows, [&](int64_t i, int) {
      w.kernels.dot_rows(type, rows.data() + i * kRows * dim * static_cast<int64_t>(SizeOf(type)),
                         kRows, dim, x.data(), scores.data() + i * kRows);
    });
  });
  const double bytes = static_cast<double>(rows.size()) / time.median_s;
  table.Add(Row()
                .Text("kernel", fmt::format("dot_rows {} {}x{}", DTypeName(type), n, dim))
                .Number("us", time.median_s * 1e6, 1)
                .Number("GB/s", bytes / 1e9, 1)
                .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0));
}

void PageBounds(const Workload& w, Table& table, DType type, int rows, int head_dim) {
  constexpr int64_t kPanels = 4096;
  const size_t side = kernels::KeyPanelBytes(type, head_dim);
  const AlignedBuffer panels = RandomBytes(2 * kPanels * side);
  const std::vector<float> q(static_cast<size_t>(rows * head_dim), 0.5f);
  constexpr int64_t kStride = kPanels * kernels::kPanelTokens;
  std::vector<float> scores(static_cast<size_t>(rows * kStride));
  const Timing time = Time([&] {
    w.pool.Run(kPanels, [&](int64_t i, int) {
      const std::byte* panel = panels.data() + 2 * static_cast<size_t>(i) * side;
      w.kernels.page_bounds({.dtype = type,
                             .head_dim = head_dim,
                             .rows = rows,
                             .up = q.data(),
                             .down = q.data(),
                             .high = panel,
                             .low = panel + side,
                             .scores = scores.data() + i * kernels::kPanelTokens,
                             .stride = kStride});
    });
  });
  const double bytes = static_cast<double>(panels.size()) / time.median_s;
  table.Add(Row()
                .Text("kernel", fmt::format("page_bounds {} {}x{}, {} queries", DTypeName(type),
                                            kStride, head_dim, rows))
                .Number("us", time.median_s * 1e6, 1)
                .Number("GB/s", bytes / 1e9, 1)
                .Number("% of read bandwidth", 100 * bytes / w.peaks.read_bytes, 0));
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

int Main(int argc, char** argv) {
  std::string isa, json_path;
  int threads = 2;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--isa")
      isa = argv[i + 1];
    else if (flag == "--threads")
      threads = std::atoi(argv[i + 1]);
    else if (flag == "--json")
      json_path = argv[i + 1];
    else
      return std::fprintf(stderr, "bench_kernels: unknown option %s\n", argv[i]), 2;
  }
  const auto chosen = kernels::ChooseKernels(isa);
  if (!chosen.ok() || threads < 1) {
    return std::fprintf(stderr, "bench_kernels: %s\n", chosen.status().message().c_str()), 2;
  }
  const KernelTable& table_of = **chosen;
  ThreadPool pool(threads);
  const Peaks peaks = MeasurePeaks(table_of, pool);
  std::printf("%s, %s kernels, %d threads\n", CpuName().c_str(), std::string(table_of.isa).c_str(),
              threads);
  std::printf("peaks: f32 %.0f GFLOP/s, bf16 dot %.0f GFLOP/s, read %.1f GB/s\n",
              peaks.f32_flops / 1e9, peaks.bf16_flops / 1e9, peaks.read_bytes / 1e9);

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> json(nullptr, std::fclose);
  if (!json_path.empty()) json.reset(std::fopen(json_path.c_str(), "w"));
  const Workload w = {table_of, pool, peaks};
  Table attend("attention kernel");
  for (DType type : {DType::kBF16, DType::kF16, DType::kI8, DType::kF32}) {
    for (int head_dim : {64, 128}) {
      Attend(w, attend, type, head_dim, 128, 2048);
      Attend(w, attend, type, head_dim, 2, 1 << 16);
      Attend(w, attend, type, head_dim, 8, 1 << 16);
    }
  }
  attend.Print(json.get());
  Table linear("memory-bound kernels");
  Gemv(w, linear, true, 4096, 4096);
  Gemv(w, linear, false, 4096, 4096);
  Gemv(w, linear, true, 16384, 8192);
  DotRows(w, linear, DType::kBF16, 1 << 18, 256);
  DotRows(w, linear, DType::kF32, 1 << 17, 256);
  for (WeightType type : kWeightTypes) {
    if (IsQuantized(type)) GemvQuant(w, linear, type, 16384, 8192);
  }
  for (int rows : {1, 4}) PageBounds(w, linear, DType::kF16, rows, 128);
  linear.Print(json.get());
  Table widening("quantised weights to f32");
  for (WeightType type : kWeightTypes) {
    if (IsQuantized(type)) UnpackQuant(w, widening, type, 2048);
  }
  widening.Print(json.get());
  Table selection("selection, one thread");
  TopK(w, selection, 8192, 127);
  TopK(w, selection, 65536, 255);
  selection.Print(json.get());
  return 0;
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) { return quarry::bench::Main(argc, argv); }
