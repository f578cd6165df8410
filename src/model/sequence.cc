#include "model/sequence.h"

#include <utility>

namespace quarry {

Sequence::Sequence(const ModelShape& shape, Rope rope, std::shared_ptr<const MethodSet> methods,
                   const SequenceOptions& options)
    : shape_(shape),
      rope_(std::move(rope)),
      methods_(std::move(methods)),
      options_(options),
      kv_(MakeKvLayout(shape, options.kv_dtype, methods_->needs().planes)) {
  for (int layer = 0; layer < shape.layers; ++layer) {
    states_.push_back(methods_->NewState(shape, options.kv_dtype, layer));
  }
}

void Sequence::Attend(int layer, const LayerRows& rows, ExecContext& ctx) {
  const PairCounts pairs =
      methods_->Attend({.layer = layer,
                        .phase = phase_,
                        .begin = kv_.size(),
                        .n = rows.n,
                        .shape = &shape_,
                        .kv_dtype = options_.kv_dtype,
                        .rope = &rope_,
                        .cos = rows.cos,
                        .sin = rows.sin,
                        .q = rows.q,
                        .k = rows.k,
                        .v = rows.v,
                        .q_stride = rows.q_stride,
                        .kv_stride = rows.kv_stride,
                        .out = rows.out,
                        .out_stride = rows.out_stride,
                        .hints = options_.hints,
                        .coverage = options_.measure_coverage ? &coverage_ : nullptr},
                       states_[static_cast<size_t>(layer)], kv_, work_, ctx);
  pairs_.attended += pairs.attended;
  pairs_.causal += pairs.causal;
}

void Sequence::End(int64_t n) {
  kv_.Advance(n);
  kv_.Trim();
}

Result<TokenPos> Sequence::Truncate(TokenPos n, ExecContext& ctx) {
  // Layers see the same calls, but each decides for itself: go on until all agree.
  TokenPos reached = n;
  for (bool agreed = false; !agreed;) {
    agreed = true;
    for (LayerState& state : states_) {
      const TokenPos p = state.Truncate(reached);
      agreed = agreed && p == reached;
      reached = p;
    }
  }
  const Result<bool> cut = TruncateRows(kv_, shape_, options_.kv_dtype, rope_, reached, ctx);
  if (!cut.ok()) return cut.status();
  if (*cut) return reached;
  for (LayerState& state : states_) state.Truncate(0);
  kv_.Truncate(0);
  return TokenPos{0};
}

Sequence Sequence::Fork() const {
  Sequence copy(shape_, rope_, methods_, options_);
  copy.kv_ = kv_.Fork();
  for (size_t i = 0; i < states_.size(); ++i) copy.states_[i] = states_[i].Clone();
  copy.pairs_ = pairs_;
  return copy;
}

MethodStats Sequence::method_stats() const {
  MethodStats stats;
  for (const LayerState& state : states_) state.AddStats(stats);
  return stats;
}

size_t Sequence::size_bytes() const {
  size_t bytes = kv_.size_bytes();
  for (const LayerState& state : states_) bytes += state.size_bytes();
  return bytes;
}

}  // namespace quarry
