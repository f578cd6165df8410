#include "attention/method_set.h"

#include <algorithm>

#include <fmt/format.h>

namespace quarry {
namespace {

PlaneRule Union(const PlaneRule& a, const PlaneRule& b) {
  if (!a.stored) return b;
  if (!b.stored) return a;
  return {true, std::max(a.keep_first, b.keep_first), std::max(a.keep_last, b.keep_last)};
}

}  // namespace

LayerState LayerState::Clone() const {
  return {prefill->Clone(), decode == nullptr ? nullptr : decode->Clone()};
}

TokenPos LayerState::Truncate(TokenPos n) {
  n = prefill->Truncate(n);
  return decode == nullptr ? n : decode->Truncate(n);
}

size_t LayerState::size_bytes() const {
  return prefill->size_bytes() + (decode == nullptr ? 0 : decode->size_bytes());
}

void LayerState::AddStats(MethodStats& stats) const {
  prefill->AddStats(stats);
  if (decode != nullptr) decode->AddStats(stats);
}

MethodSet::Methods MethodSet::Make(const PhaseMethods& m) {
  std::shared_ptr<const AttentionMethod> prefill = MakeMethod(m.prefill);
  if (m.one_method()) return {prefill, prefill};
  return {prefill, MakeMethod(m.decode)};
}

MethodSet::MethodSet(const AttentionSetup& setup, int layers)
    : name_(Describe(setup)), layers_(static_cast<size_t>(layers), 0) {
  kinds_.push_back(Make(setup.methods));
  for (const LayerRange& r : setup.layers) {
    last_named_ = std::max(last_named_, r.last);
    for (int64_t layer = r.first; layer <= std::min<int64_t>(r.last, layers - 1); ++layer) {
      layers_[static_cast<size_t>(layer)] = kinds_.size();
    }
    kinds_.push_back(Make(r.methods));
  }
  needs_.farthest = 0;
  for (const size_t kind : layers_) {
    for (const auto& method : {kinds_[kind].prefill, kinds_[kind].decode}) {
      const MethodNeeds n = method->needs();
      for (size_t p = 0; p < kKvPlanes; ++p)
        needs_.planes[p] = Union(needs_.planes[p], n.planes[p]);
      needs_.last_token_alone |= n.last_token_alone;
      needs_.farthest = n.farthest && needs_.farthest
                            ? std::optional(std::max(*n.farthest, *needs_.farthest))
                            : std::nullopt;
      needs_.question_first |= n.question_first;
    }
  }
}

MethodSet::MethodSet(std::shared_ptr<const AttentionMethod> method, int layers)
    : name_(method->name()), needs_(method->needs()), layers_(static_cast<size_t>(layers), 0) {
  kinds_.push_back({method, method});
}

std::vector<std::string> MethodSet::Unsupported(const ModelShape& shape) const {
  std::vector<std::string> reasons;
  if (last_named_ >= shape.layers) {
    reasons.push_back(fmt::format("layers names layer {}, must be below {}, the model's layers",
                                  last_named_, shape.layers));
  }
  for (size_t kind = 0; kind < kinds_.size(); ++kind) {
    if (std::count(layers_.begin(), layers_.end(), kind) == 0) continue;
    for (const auto& method : {kinds_[kind].prefill, kinds_[kind].decode}) {
      for (const std::string& reason : method->Unsupported(shape)) {
        reasons.push_back(fmt::format("{}: {}", method->name(), reason));
      }
    }
  }
  return reasons;
}

size_t MethodSet::StateBytes(const ModelShape& shape, DType kv_dtype, TokenPos tokens) const {
  size_t bytes = 0;
  for (size_t kind = 0; kind < kinds_.size(); ++kind) {
    const auto n = std::count(layers_.begin(), layers_.end(), kind);
    const Methods& m = kinds_[kind];
    size_t all = m.prefill->StateBytes(shape, kv_dtype, tokens);
    if (m.decode != m.prefill) all += m.decode->StateBytes(shape, kv_dtype, tokens);
    bytes += all * static_cast<size_t>(n) / layers_.size();
  }
  return bytes;
}

LayerState MethodSet::NewState(const ModelShape& shape, DType kv_dtype, int layer) const {
  const Methods& m = kinds_[layers_[static_cast<size_t>(layer)]];
  LayerState state = {m.prefill->NewState(shape, kv_dtype, layer), nullptr};
  if (m.decode != m.prefill) state.decode = m.decode->NewState(shape, kv_dtype, layer);
  return state;
}

PairCounts MethodSet::Attend(const LayerCall& call, LayerState& state, KvStore& kv, LayerWork& work,
                             ExecContext& ctx) const {
  const Methods& m = kinds_[layers_[static_cast<size_t>(call.layer)]];
  if (state.decode == nullptr) {
    return AttendLayer(*m.prefill, *state.prefill, call, kv, work, ctx);
  }
  Follower attending = {m.prefill.get(), state.prefill.get()};
  Follower following = {m.decode.get(), state.decode.get()};
  if (call.phase == Phase::kDecode) std::swap(attending, following);
  return AttendLayer(*attending.method, *attending.state, call, kv, work, ctx, following);
}

}  // namespace quarry
