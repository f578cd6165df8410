// bench_attention: one attention layer at depth, every method beside dense attention in the same
// run.
//
// Workload: keys in runs of 64 that are alike, random values, f16, heads of 64 or 128, grouped;
// every query points at one key of the past and has noise, so that attention has something to find.
// At each depth N
//   decode    one token after N - 1 others: milliseconds, bytes of keys and values attended (and of
//             summaries read) against the measured read bandwidth
//   prefill   512 tokens after N - 512 others, dense and the memory methods: FLOPs of the attended
//             pairs against the measured f32 peak
// Medians of five for decode, one timed chunk for prefill. Each row has density, error of the
// output against dense (relative L2; of memory methods, whose distances differ by design, none),
// speed-up over dense and its ideal, 1 / density.
//
//   bench_attention [--max-tokens N] [--head-dim D] [--heads H] [--kv-heads G] [--threads T]
//                   [--json FILE]

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "attention/kv_rows.h"
#include "attention/layer.h"
#include "attention/method.h"
#include "base/rng.h"
#include "bench/harness.h"
#include "kernels/dispatch.h"
#include "ops/exec_context.h"

namespace quarry::bench {
namespace {

constexpr int kChunk = 512;
constexpr int kNewTokens = 64;  // room for what the timed calls append

struct Options {
  int64_t max_tokens = 65536;
  int head_dim = 64;
  int heads = 8;
  int kv_heads = 2;
  int threads = 2;
  std::string json;
};

struct Data {
  ModelShape shape;
  std::vector<float> q, k, v;
  int64_t q_width() const { return int64_t{shape.heads} * shape.head_dim; }
  int64_t kv_width() const { return int64_t{shape.kv_heads} * shape.head_dim; }
};

Data MakeData(const Options& o, int64_t tokens) {
  Data d = {{1, o.heads, o.kv_heads, o.head_dim}, {}, {}, {}};
  Rng rng(11);
  const auto noise = [&] { return static_cast<float>(2 * rng.Uniform() - 1); };
  d.k.resize(static_cast<size_t>(tokens * d.kv_width()));
  d.v.resize(d.k.size());
  // Neighbours are alike, as keys of a text are: runs of 64 tokens share a centre.
  std::vector<float> centre(static_cast<size_t>(d.kv_width()));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t i = 0; i < d.kv_width(); ++i) {
      float& c = centre[static_cast<size_t>(i)];
      if (t % 64 == 0) c = 2 * noise();
      d.k[static_cast<size_t>(t * d.kv_width() + i)] = c + 0.5f * noise();
    }
  }
  for (float& x : d.v) x = noise();
  d.q.resize(static_cast<size_t>(tokens * d.q_width()));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int h = 0; h < o.heads; ++h) {
      const auto at = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(t + 1)));
      const float* key = d.k.data() + at * d.kv_width() + h / d.shape.group() * o.head_dim;
      float* q = d.q.data() + t * d.q_width() + h * o.head_dim;
      for (int i = 0; i < o.head_dim; ++i) q[i] = key[i] + noise();
    }
  }
  return d;
}

// One layer of one method, filled to a depth. Positions do not rotate: the structure is in the
// vectors, and rotating costs all methods the same.
class Layer {
 public:
  Layer(const AttentionConfig& config, const Data& data, ExecContext& ctx)
      : data_(data),
        ctx_(ctx),
        method_(MakeMethod(config)),
        phases_(PhasesOf(config)),
        state_(method_->NewState(data.shape, DType::kF16, 0)),
        rope_(std::vector<double>(static_cast<size_t>(data.shape.head_dim / 2), 0.0), 1.0,
              data.shape.head_dim),
        kv_(MakeKvLayout(data.shape, DType::kF16, method_->needs().planes)),
        cos_(static_cast<size_t>(kChunk * data.shape.head_dim / 2), 1.0f),
        sin_(cos_.size(), 0.0f) {}

  TokenPos size() const { return kv_.size(); }

  // Reads tokens up to `end` without attending where the method allows that.
  void Fill(TokenPos end) {
    while (kv_.size() < end) {
      const int n = static_cast<int>(std::min<int64_t>(kChunk, end - kv_.size()));
      if (phases_ == PhaseSupport::kBoth) {
        Call(n, Phase::kPrefill);
        continue;
      }
      Reserve(n);
      AppendRows(kv_, 0, data_.shape, DType::kF16, rope_,
                 {.first = kv_.size(),
                  .n = n,
                  .keys = data_.k.data() + kv_.size() * data_.kv_width(),
                  .values = data_.v.data() + kv_.size() * data_.kv_width(),
                  .stride = data_.kv_width(),
                  .cos = cos_.data(),
                  .sin = sin_.data()},
                 ctx_);
      LayerCall c = CallOf(n, Phase::kPrefill);
      PlanInput in;
      in.call_begin = in.first = c.begin;
      in.call_end = c.begin + n;
      in.n_rows = n;
      in.q = c.q;
      in.q_stride = c.q_stride;
      in.shape = &data_.shape;
      in.kv_dtype = DType::kF16;
      in.kv = &kv_;
      in.rope = &rope_;
      method_->Follow(in, *state_, ctx_);
      kv_.Advance(n);
      kv_.Trim();
    }
  }

  // The next n tokens, attended.
  PairCounts Call(int n, Phase phase) {
    Reserve(n);
    out.resize(static_cast<size_t>(n * data_.q_width()));
    const PairCounts pairs = AttendLayer(*method_, *state_, CallOf(n, phase), kv_, work_, ctx_);
    kv_.Advance(n);
    kv_.Trim();
    return pairs;
  }
  std::vector<float> out;

 private:
  void Reserve(int n) {
    if (!kv_.Reserve(n).ok()) {
      std::fprintf(stderr, "bench_attention: no memory for %lld tokens\n",
                   static_cast<long long>(kv_.size() + n));
      std::exit(1);
    }
  }
  LayerCall CallOf(int n, Phase phase) {
    const TokenPos t = kv_.size();
    LayerCall c;
    c.phase = phase;
    c.begin = t;
    c.n = n;
    c.shape = &data_.shape;
    c.kv_dtype = DType::kF16;
    c.rope = &rope_;
    c.cos = cos_.data();
    c.sin = sin_.data();
    c.q = data_.q.data() + t * data_.q_width();
    c.k = data_.k.data() + t * data_.kv_width();
    c.v = data_.v.data() + t * data_.kv_width();
    c.q_stride = data_.q_width();
    c.kv_stride = data_.kv_width();
    c.out = out.data();
    c.out_stride = data_.q_width();
    return c;
  }

  const Data& data_;
  ExecContext& ctx_;
  std::unique_ptr<const AttentionMethod> method_;
  PhaseSupport phases_;
  std::unique_ptr<MethodState> state_;
  Rope rope_;
  KvStore kv_;
  std::vector<float> cos_, sin_;
  LayerWork work_;
};

double RelativeError(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    error += d * d;
    size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return std::sqrt(error / size);
}

// Median seconds of calls of n tokens at depth `depth`, the pairs of one, and its output.
struct Measured {
  double seconds = 0;
  PairCounts pairs;
  std::vector<float> out;
};
Measured Measure(Layer& layer, int64_t depth, int n, Phase phase) {
  Measured m;
  layer.Fill(depth - n);
  m.pairs = layer.Call(n, phase);
  m.out = layer.out;
  std::vector<double> samples;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    int calls = 0;
    // A decoding step is short: several, each one token further on.
    for (; calls < (n == 1 ? 8 : 1); ++calls) layer.Call(n, phase);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    samples.push_back(spent.count() / calls);
    if (n > 1) break;  // one more chunk is all there is room for
  }
  std::sort(samples.begin(), samples.end());
  m.seconds = samples[samples.size() / 2];
  return m;
}

struct Subject {
  std::string name;
  AttentionConfig config;
};

std::vector<Subject> Subjects(Phase phase) {
  InfLlmConfig inf_llm;
  inf_llm.mask = WindowMask::kStrict;
  InfQuestConfig inf_quest;
  if (phase == Phase::kPrefill) return {{"inf-llm", inf_llm}, {"inf-quest", inf_quest}};
  QuestConfig quest;
  quest.dense_layers = 0;
  QuestConfig quest2048 = quest;
  quest2048.token_budget = 2048;
  return {{"quest 1024", quest},
          {"quest 2048", quest2048},
          {"inf-llm", inf_llm},
          {"inf-quest", inf_quest},
          {"stream-llm", StreamLlmConfig{}}};
}

void Bench(const Options& o, Phase phase, ExecContext& ctx, const Peaks& peaks, std::FILE* json) {
  const bool decode = phase == Phase::kDecode;
  const int n = decode ? 1 : kChunk;
  Table table(fmt::format("{}, {} heads of {}, {} KV heads, f16",
                          decode ? "decode: one token" : "prefill: 512 tokens", o.heads, o.head_dim,
                          o.kv_heads));
  for (int64_t depth = 4096; depth <= o.max_tokens; depth *= 4) {
    const Data data = MakeData(o, depth + kChunk + kNewTokens);
    std::vector<Subject> subjects = Subjects(phase);
    subjects.insert(subjects.begin(), {"dense", DenseConfig{}});
    Measured dense;
    for (const Subject& s : subjects) {
      Layer layer(s.config, data, ctx);
      const Measured m = Measure(layer, depth, n, phase);
      if (s.name == "dense") dense = m;
      const double density = m.pairs.Density();
      const bool same_distances = PhasesOf(s.config) != PhaseSupport::kBoth;
      Row row;
      row.Number("depth", static_cast<double>(depth), 0)
          .Text("method", s.name)
          .Number("ms", 1e3 * m.seconds, 3)
          .Number("density %", 100 * density, 2)
          .Text("error",
                same_distances ? fmt::format("{:.3f}", RelativeError(m.out, dense.out)) : "")
          .Number("speed-up", dense.seconds / m.seconds, 2)
          .Number("ideal", 1 / density, 2);
      if (decode) {
        // Keys and values are read once per KV head.
        const double bytes = static_cast<double>(m.pairs.attended) / data.shape.group() *
                             data.shape.head_dim * 2 * 2;
        row.Number("GB/s", bytes / m.seconds / 1e9, 1)
            .Number("% of read", 100 * bytes / m.seconds / peaks.read_bytes, 0);
      } else {
        const double flops = 4.0 * data.shape.head_dim * static_cast<double>(m.pairs.attended);
        row.Number("GFLOP/s", flops / m.seconds / 1e9, 0)
            .Number("% of f32", 100 * flops / m.seconds / peaks.f32_flops, 0);
      }
      table.Add(row);
    }
  }
  table.Print(json);
}

int Main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    const char* value = argv[i + 1];
    if (flag == "--max-tokens") {
      o.max_tokens = std::atoll(value);
    } else if (flag == "--head-dim") {
      o.head_dim = std::atoi(value);
    } else if (flag == "--heads") {
      o.heads = std::atoi(value);
    } else if (flag == "--kv-heads") {
      o.kv_heads = std::atoi(value);
    } else if (flag == "--threads") {
      o.threads = std::atoi(value);
    } else if (flag == "--json") {
      o.json = value;
    } else {
      return std::fprintf(stderr, "bench_attention: unknown option %s\n", argv[i]), 2;
    }
  }
  const bool shape_ok = o.head_dim >= 8 && o.head_dim <= 256 && o.head_dim % 8 == 0 &&
                        o.kv_heads >= 1 && o.heads >= 1 && o.heads % o.kv_heads == 0;
  if (!shape_ok || o.threads < 1 || o.max_tokens < 4096 || o.max_tokens > 1 << 20) {
    return std::fprintf(stderr, "bench_attention: option out of range\n"), 2;
  }
  const auto kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) return 1;
  ExecContext ctx(**kernels, o.threads);
  const Peaks peaks = MeasurePeaks(**kernels, ctx.threads());
  std::printf("%s, %s kernels, %d threads\n", CpuName().c_str(),
              std::string((*kernels)->isa).c_str(), o.threads);
  std::printf("peaks: f32 %.0f GFLOP/s, read %.1f GB/s\n", peaks.f32_flops / 1e9,
              peaks.read_bytes / 1e9);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> json(nullptr, std::fclose);
  if (!o.json.empty()) json.reset(std::fopen(o.json.c_str(), "w"));
  Bench(o, Phase::kDecode, ctx, peaks, json.get());
  Bench(o, Phase::kPrefill, ctx, peaks, json.get());
  return 0;
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) { return quarry::bench::Main(argc, argv); }
