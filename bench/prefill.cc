// bench_prefill: one attention layer reading a prompt, sparse methods beside dense attention.
//
// Workload: queries and keys with the structure that prefill methods look for. Query heads in turn:
// local (a window and a sink), vertical (1 key in 128 matters to all), slash (keys N/8 behind),
// topics (runs of 512 tokens that look for their like). Positions do not rotate: what is measured
// is selection and attention, and the structure is in the vectors.
//
// Each row: density, error of the output against dense (relative L2), time to select and to attend,
// speed-up over dense, and its share of the ideal 1 / density. Timed once: seconds, not
// microseconds.
//
//   bench_prefill [--tokens N] [--heads N] [--kv-heads N] [--threads N] [--json FILE]

#include <cmath>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "attention/layer.h"
#include "attention/method.h"
#include "base/rng.h"
#include "bench/harness.h"
#include "kernels/dispatch.h"
#include "ops/exec_context.h"

namespace quarry::bench {
namespace {

constexpr int kDim = 128;
constexpr int kFrequencies = 24;  // of the positional part: channels [0, 48)
constexpr int kFlag = 48;         // channels [48, 56): keys that matter to all
constexpr int kTopic = 56;        // channels [56, 88)
// The rest is noise.

struct Options {
  int tokens = 65536;
  int heads = 4;
  int kv_heads = 1;
  int threads = 2;
  const char* json = nullptr;
};

struct Data {
  ModelShape shape;
  int tokens;
  std::vector<float> q, k, v;
};

double Frequency(int i) { return 0.9 * std::pow(0.72, i); }

void AddPosition(double position, double strength, float* x) {
  for (int i = 0; i < kFrequencies; ++i) {
    x[2 * i] += static_cast<float>(strength * std::cos(position * Frequency(i)));
    x[2 * i + 1] += static_cast<float>(strength * std::sin(position * Frequency(i)));
  }
}

Data MakeData(const Options& o) {
  Data d = {{1, o.heads, o.kv_heads, kDim}, o.tokens, {}, {}, {}};
  Rng rng(7);
  const auto noise = [&](float* x, int n, double scale) {
    for (int i = 0; i < n; ++i) x[i] += static_cast<float>(scale * (2 * rng.Uniform() - 1));
  };
  const int64_t n = o.tokens;
  d.q.assign(static_cast<size_t>(n * o.heads * kDim), 0.0f);
  d.k.assign(static_cast<size_t>(n * o.kv_heads * kDim), 0.0f);
  d.v.assign(d.k.size(), 0.0f);
  std::vector<float> topics(64 * 32);
  noise(topics.data(), 64 * 32, 1.7);
  const auto topic = [&](int64_t t) { return topics.data() + (t / 512 * 37 % 64) * 32; };
  for (int64_t t = 0; t < n; ++t) {
    const bool flagged = t % 128 == (t / 128 * 53) % 128;
    for (int g = 0; g < o.kv_heads; ++g) {
      float* k = d.k.data() + (t * o.kv_heads + g) * kDim;
      AddPosition(static_cast<double>(t), 1, k);
      for (int i = 0; i < 8; ++i) k[kFlag + i] += flagged ? 2.0f : t < 4 ? 1.5f : -0.5f;
      for (int i = 0; i < 32; ++i) k[kTopic + i] += topic(t)[i];
      noise(k, kDim, 0.3);
      noise(d.v.data() + (t * o.kv_heads + g) * kDim, kDim, 1);
    }
    for (int h = 0; h < o.heads; ++h) {
      float* q = d.q.data() + (t * o.heads + h) * kDim;
      noise(q, kDim, 0.3);
      switch (h % 4) {
        case 0:
          AddPosition(static_cast<double>(t), 7, q);
          break;
        case 1:
          for (int i = 0; i < 8; ++i) q[kFlag + i] += 8;
          break;
        case 2:
          AddPosition(static_cast<double>(t - n / 8), 7, q);
          break;
        default:
          for (int i = 0; i < 32; ++i) q[kTopic + i] += 4 * topic(t)[i];
      }
    }
  }
  return d;
}

struct Result {
  std::vector<float> out;
  double select_s = 0, attend_s = 0, density = 1;
};

Result Run(const AttentionConfig& config, const Data& d, ExecContext& ctx) {
  using Clock = std::chrono::steady_clock;
  const auto method = MakeMethod(config);
  const auto state = method->NewState(d.shape, DType::kF16, 0);
  const Rope rope(std::vector<double>(kDim / 2, 0.0), 1.0, kDim);
  KvStore kv(MakeKvLayout(d.shape, DType::kF16, method->needs().planes));
  if (!kv.Reserve(d.tokens).ok()) std::exit(1);
  const std::vector<float> cos(static_cast<size_t>(int64_t{d.tokens} * kDim / 2), 1.0f);
  const std::vector<float> sin(cos.size(), 0.0f);
  AppendRows(kv, 0, d.shape, DType::kF16, rope,
             {.first = 0,
              .n = d.tokens,
              .keys = d.k.data(),
              .values = d.v.data(),
              .stride = d.shape.kv_heads * kDim,
              .cos = cos.data(),
              .sin = sin.data()},
             ctx);
  kv.Advance(d.tokens);

  Result r;
  const int64_t width = d.shape.heads * int64_t{kDim};
  r.out.resize(static_cast<size_t>(d.tokens * width));
  AttentionPlan plan;
  AttentionExecutor executor;
  double attended = 0;
  const int64_t at_once = method->needs().exec_rows == 0 ? d.tokens : method->needs().exec_rows;
  for (int64_t row = 0; row < d.tokens; row += at_once) {
    PlanInput in;
    in.call_end = d.tokens;
    in.first = row;
    in.n_rows = static_cast<int>(std::min(at_once, d.tokens - row));
    in.q = d.q.data();
    in.q_stride = width;
    in.shape = &d.shape;
    in.kv_dtype = DType::kF16;
    in.kv = &kv;
    in.rope = &rope;
    in.cos = cos.data();
    in.sin = sin.data();
    plan.Clear();
    const auto begin = Clock::now();
    method->Plan(in, *state, ctx, plan);
    const auto planned = Clock::now();
    executor.Execute(plan,
                     {.layer = 0,
                      .shape = &d.shape,
                      .kv_dtype = DType::kF16,
                      .kv = &kv,
                      .rope = &rope,
                      .first = row,
                      .n_rows = in.n_rows,
                      .q = in.q_row(0),
                      .q_stride = width,
                      .cos = cos.data(),
                      .sin = sin.data(),
                      .out = r.out.data() + row * width,
                      .out_stride = width},
                     ctx);
    r.select_s += std::chrono::duration<double>(planned - begin).count();
    r.attend_s += std::chrono::duration<double>(Clock::now() - planned).count();
    attended += static_cast<double>(plan.AttendedPairs(row));
  }
  const auto n = static_cast<double>(d.tokens);
  r.density = attended / (d.shape.heads * n * (n + 1) / 2);
  return r;
}

double RelativeError(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    error += d * d;
    size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return std::sqrt(error / size);
}

AttentionConfig Uniform(HeadPatternType type, int64_t first, int64_t second, int heads) {
  PatternTable table;
  table.layers.emplace_back();
  for (int h = 0; h < heads; ++h) table.layers[0][h] = {type, first, second, 1, true};
  MInferenceConfig c;
  c.patterns = std::make_shared<const PatternTable>(std::move(table));
  return c;
}

int Main(const Options& o) {
  const auto kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) return 1;
  ExecContext ctx(**kernels, o.threads);
  const Data data = MakeData(o);
  const Result dense = Run(DenseConfig{}, data, ctx);
  const double dense_s = dense.select_s + dense.attend_s;

  FlexPrefillConfig flex, coverage, flex95;
  coverage.selection = FlexSelectionRule::kCoverage;
  flex95.gamma = 0.95;
  const std::pair<const char*, AttentionConfig> methods[] = {
      {"a-shape", AShapeConfig{}},
      {"tri-shape", TriShapeConfig{}},
      {"minference, automatic", MInferenceConfig{}},
      {"minference, vertical-slash 1000, 6096",
       Uniform(HeadPatternType::kVerticalSlash, 1000, 6096, o.heads)},
      {"minference, vertical-slash 3500, 100",
       Uniform(HeadPatternType::kVerticalSlash, 3500, 100, o.heads)},
      {"minference, block-sparse", Uniform(HeadPatternType::kBlockSparse, 8, 1, o.heads)},
      {"flexprefill 0.9", flex},
      {"flexprefill 0.95", flex95},
      {"flexprefill 0.9, coverage", coverage}};

  Table table(fmt::format(
      "{}, {} kernels, {} threads: {} tokens, {} heads of {}, {} KV heads, f16, "
      "dense {:.2f} s",
      CpuName(), (*kernels)->isa, o.threads, o.tokens, o.heads, kDim, o.kv_heads, dense_s));
  for (const auto& [name, config] : methods) {
    const Result r = Run(config, data, ctx);
    const double total = r.select_s + r.attend_s;
    Row row;
    row.Text("method", name)
        .Number("density %", 100 * r.density, 2)
        .Number("error", RelativeError(r.out, dense.out), 3)
        .Number("select ms", 1e3 * r.select_s, 0)
        .Number("attend ms", 1e3 * r.attend_s, 0)
        .Number("select / attend %", 100 * r.select_s / r.attend_s, 1)
        .Number("speed-up", dense_s / total, 2)
        .Number("of ideal %", 100 * dense_s / total * r.density, 0);
    table.Add(row);
  }
  std::FILE* json = o.json == nullptr ? nullptr : std::fopen(o.json, "w");
  table.Print(json);
  if (json != nullptr) std::fclose(json);
  return 0;
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  quarry::bench::Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--tokens") {
      o.tokens = std::atoi(argv[i + 1]);
    } else if (key == "--heads") {
      o.heads = std::atoi(argv[i + 1]);
    } else if (key == "--kv-heads") {
      o.kv_heads = std::atoi(argv[i + 1]);
    } else if (key == "--threads") {
      o.threads = std::atoi(argv[i + 1]);
    } else if (key == "--json") {
      o.json = argv[i + 1];
    } else {
      std::fprintf(stderr, "bench_prefill: unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (o.tokens < 128 || o.heads < 1 || o.kv_heads < 1 || o.heads % o.kv_heads != 0 ||
      o.threads < 1) {
    std::fprintf(stderr, "bench_prefill: tokens, heads, kv-heads or threads out of range\n");
    return 2;
  }
  return quarry::bench::Main(o);
}
