// Golden vectors of the methods that Quest is compared with: what H2O, TOVA and StreamingLLM keep
// after a prompt and after every step, and what the steps give. Tokens must match exactly,
// accumulated probabilities within 1e-5 of max(1, score), outputs within 1e-5.

#include <algorithm>

#include <fmt/format.h>

#include "attention/methods/eviction.h"
#include "tests/quarry_golden/check_quest.h"
#include "tests/support/attention_fixture.h"

namespace quarry::golden {
namespace {

// Feeds the case's rows; nothing rotates.
class Feeder {
 public:
  Feeder(CaseChecks& checks, const AttentionConfig& config)
      : shape_{1, checks.json().at("Hq"), checks.json().at("Hkv"), checks.json().at("D")},
        layer_(config, shape_, DType::kF32, 10000, 0),
        q_(checks.Load("q")),
        k_(checks.Load("k")),
        v_(checks.Load("v")) {
    if (const Status s = Validate(config); !s.ok()) throw std::runtime_error(s.message());
  }

  std::vector<float> Call(int n, Phase phase) {
    const TokenPos t = layer_.kv().size();
    const int64_t kv_width = shape_.kv_heads * shape_.head_dim;
    return layer_.Call(q_.f32.data() + t * shape_.heads * shape_.head_dim,
                       k_.f32.data() + t * kv_width, v_.f32.data() + t * kv_width, n, {}, phase);
  }
  OneLayer& layer() { return layer_; }
  // Per unit: what the next step will see of the past.
  std::vector<KeptTokens> Kept() {
    return static_cast<const EvictionState&>(layer_.state()).Settled(layer_.context());
  }

 private:
  ModelShape shape_;
  OneLayer layer_;
  const NpyArray& q_;
  const NpyArray& k_;
  const NpyArray& v_;
};

// Runs the prompt and the steps; check(row) looks at what is kept after the prompt (row 0) and
// after step t (row t + 1).
template <typename Check>
void Run(CaseChecks& checks, Feeder& feeder, const std::string& name, const Check& check) {
  feeder.Call(checks.json().at("prefill"), Phase::kPrefill);
  check(0);
  const NpyArray& out = checks.Load(name + "_out");
  const auto width = static_cast<size_t>(out.size() / out.shape[0]);
  const int64_t steps = checks.json().at("steps");
  for (int64_t t = 0; t < steps; ++t) {
    checks.Near(fmt::format("{} step {} out", name, t), feeder.Call(1, Phase::kDecode),
                std::span(out.f32).subspan(static_cast<size_t>(t) * width, width), 1e-5);
    check(t + 1);
  }
}

// Row `row` of unit `unit` of [rows][units][columns] or [rows][columns].
template <typename T>
std::span<const T> RowOf(const NpyArray& a, const std::vector<T>& data, int64_t row, size_t unit) {
  const auto columns = static_cast<size_t>(a.shape.back());
  const size_t units = a.shape.size() == 3 ? static_cast<size_t>(a.shape[1]) : 1;
  return std::span(data).subspan((static_cast<size_t>(row) * units + unit) * columns, columns);
}

void CheckKept(CaseChecks& checks, const std::string& name, const std::vector<KeptTokens>& units,
               int64_t row) {
  const NpyArray& kept = checks.Load(name + "_kept");
  for (size_t u = 0; u < units.size(); ++u) {
    const std::string where = fmt::format("{} row {} unit {}", name, row, u);
    checks.Selection(where, units[u].tokens(), RowOf(kept, kept.i32, row, u));
    if (!checks.Exists(name + "_scores")) continue;
    const NpyArray& scores = checks.Load(name + "_scores");
    const auto want = RowOf(scores, scores.f32, row, u);
    checks.Near(where + " scores", units[u].scores(), want.first(units[u].scores().size()), 1e-5,
                1e-5);
  }
}

void CheckH2o(CaseChecks& checks) {
  const auto& sizes = checks.json().at("h2o");
  Feeder feeder(checks, H2oConfig{sizes.at("heavy"), sizes.at("recent")});
  Run(checks, feeder, "h2o", [&](int64_t row) { CheckKept(checks, "h2o", feeder.Kept(), row); });
}

void CheckTova(CaseChecks& checks) {
  Feeder feeder(checks, TovaConfig{checks.json().at("tova").at("cache")});
  Run(checks, feeder, "tova", [&](int64_t row) { CheckKept(checks, "tova", feeder.Kept(), row); });
}

// The cache is cut after a step, so that a step sees start + recent tokens and itself.
void CheckStreaming(CaseChecks& checks) {
  const auto& sizes = checks.json().at("streaming");
  Feeder feeder(checks, StreamLlmConfig{sizes.at("start"), sizes.at("recent").get<int64_t>() + 1});
  const NpyArray& kept = checks.Load("streaming_kept");
  Run(checks, feeder, "streaming", [&](int64_t row) {
    const TokenPos size = feeder.layer().kv().size();
    const PlaneRule rule =
        feeder.layer().method().needs().planes[static_cast<size_t>(KvPlane::kValues)];
    std::vector<int64_t> got;
    for (TokenPos t = 0; t < size; ++t) {
      if (rule.Keeps(t, size + 1)) got.push_back(t);
    }
    checks.Selection(fmt::format("streaming row {}", row), got, RowOf(kept, kept.i32, row, 0));
  });
}

}  // namespace

void CheckEvictionBaselines(CaseChecks& checks) {
  if (checks.json().contains("h2o")) CheckH2o(checks);
  if (checks.json().contains("tova")) CheckTova(checks);
  if (checks.json().contains("streaming")) CheckStreaming(checks);
}

}  // namespace quarry::golden
