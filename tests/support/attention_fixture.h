// One attention layer fed with given q, k, v: what golden vectors, properties and benches run.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "attention/layer.h"
#include "kernels/dispatch.h"

namespace quarry {

inline std::vector<double> PlainFrequencies(int head_dim, double base, double distance_scale) {
  std::vector<double> f;
  for (int p = 0; p < head_dim / 2; ++p) {
    f.push_back(distance_scale * std::pow(base, -2.0 * p / head_dim));
  }
  return f;
}

class OneLayer {
 public:
  OneLayer(const AttentionConfig& config, const ModelShape& shape, DType dtype, double base = 10000,
           double distance_scale = 1, const kernels::KernelTable* kernels = nullptr,
           int threads = 2)
      : config_(config),
        shape_(shape),
        dtype_(dtype),
        rope_(PlainFrequencies(shape.head_dim, base, distance_scale), 1.0, shape.head_dim),
        method_(MakeMethod(config)),
        state_(method_->NewState(shape, dtype, 0)),
        kv_(MakeKvLayout(shape, dtype, method_->needs().planes)),
        ctx_(kernels != nullptr ? *kernels : **kernels::ChooseKernelsFromEnvironment(), threads) {}

  // Tokens [size, size + n) with rows q [n][heads * dim], k and v [n][kv_heads * dim].
  // Returns [n][heads * dim]. A call of one token decodes unless said otherwise.
  std::vector<float> Call(const float* q, const float* k, const float* v, int n,
                          RequestHints hints = {}, std::optional<Phase> phase = {}) {
    std::vector<float> out(static_cast<size_t>(n * shape_.heads * shape_.head_dim));
    std::vector<float> cos(static_cast<size_t>(n * rope_.pairs())), sin(cos.size());
    rope_.Angles(kv_.size(), n, cos.data(), sin.data());
    const Status reserved = kv_.Reserve(n);
    if (!reserved.ok()) throw std::bad_alloc();
    const PairCounts p =
        AttendLayer(*method_, *state_,
                    {.layer = 0,
                     .phase = phase.value_or(n == 1 ? Phase::kDecode : Phase::kPrefill),
                     .begin = kv_.size(),
                     .n = n,
                     .shape = &shape_,
                     .kv_dtype = dtype_,
                     .rope = &rope_,
                     .cos = cos.data(),
                     .sin = sin.data(),
                     .q = q,
                     .k = k,
                     .v = v,
                     .q_stride = shape_.heads * shape_.head_dim,
                     .kv_stride = shape_.kv_heads * shape_.head_dim,
                     .out = out.data(),
                     .out_stride = shape_.heads * shape_.head_dim,
                     .hints = hints,
                     .coverage = measure_coverage ? &coverage_ : nullptr},
                    kv_, work_, ctx_);
    pairs_.attended += p.attended;
    pairs_.causal += p.causal;
    kv_.Advance(n);
    kv_.Trim();
    return out;
  }

  bool measure_coverage = false;
  const CoverageSums& coverage() const { return coverage_; }

  const AttentionMethod& method() const { return *method_; }
  MethodState& state() { return *state_; }
  KvStore& kv() { return kv_; }
  const PairCounts& pairs() const { return pairs_; }
  const AttentionPlan& last_plan() const { return work_.plan; }
  ExecContext& context() { return ctx_; }

  // A second layer with the same past, sharing its blocks.
  std::unique_ptr<OneLayer> Fork() {
    auto fork = std::make_unique<OneLayer>(config_, shape_, dtype_, 10000, 1, &ctx_.kernels(),
                                           ctx_.threads().size());
    fork->rope_ = rope_;
    fork->state_ = state_->Clone();
    fork->kv_ = kv_.Fork();
    return fork;
  }

  // Goes back to the longest restorable prefix of n tokens; returns its length.
  TokenPos Truncate(TokenPos n) {
    TokenPos p = state_->Truncate(n);
    if (!*TruncateRows(kv_, shape_, dtype_, rope_, p, ctx_)) {
      p = state_->Truncate(0);
      kv_.Truncate(0);
    }
    return p;
  }

 private:
  AttentionConfig config_;
  ModelShape shape_;
  DType dtype_;
  Rope rope_;
  std::unique_ptr<const AttentionMethod> method_;
  std::unique_ptr<MethodState> state_;
  KvStore kv_;
  ExecContext ctx_;
  LayerWork work_;
  PairCounts pairs_;
  CoverageSums coverage_;
};

}  // namespace quarry
