#include "attention/methods/window.h"

#include <algorithm>

#include "attention/methods/far_past.h"

namespace quarry {
namespace {

class SinksAndWindow final : public AttentionMethod {
 public:
  SinksAndWindow(std::string_view name, int64_t n_init, int64_t n_local, PositionRule sinks)
      : name_(name), n_init_(n_init), n_local_(n_local), sinks_(sinks) {}

  std::string_view name() const override { return name_; }

  MethodNeeds needs() const override {
    const bool raw_sinks = sinks_.keys == KvPlane::kRawKeys;
    return {.planes = {raw_sinks ? PlaneRule{true, n_init_, 0} : PlaneRule::None(),
                       PlaneRule{true, raw_sinks ? 0 : n_init_, n_local_},
                       PlaneRule{true, n_init_, n_local_}},
            .farthest = raw_sinks ? n_local_ : n_init_ + n_local_};
  }

  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    // Sinks at slots of the cache are seen from behind the whole of it.
    const bool slots = sinks_.keys == KvPlane::kRotatedKeys;
    return slots ? CheckModelWindow("n_init + n_local", n_init_ + n_local_, shape)
                 : CheckModelWindow("n_local", n_local_, shape);
  }

  std::unique_ptr<MethodState> NewState(const ModelShape&, DType, int) const override {
    return std::make_unique<NoState>();
  }

  void Plan(const PlanInput& in, MethodState&, ExecContext&, AttentionPlan& plan) const override {
    const TokenPos end = in.first + in.n_rows;
    plan.Add({.heads = {0, in.shape->heads},
              .rows = {0, in.n_rows},
              .mask = Mask::Band(n_local_),
              .position = PositionRule::Absolute()});
    plan.AddSpan({std::max<TokenPos>(0, in.first - n_local_ + 1), end});
    if (end <= n_local_ || n_init_ == 0) return;
    plan.Add({.heads = {0, in.shape->heads},
              .rows = {0, in.n_rows},
              .mask = Mask::Beyond(n_local_),
              .position = sinks_});
    plan.AddSpan({0, std::min(n_init_, end)});
  }

 private:
  std::string_view name_;
  int64_t n_init_;
  int64_t n_local_;
  PositionRule sinks_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeStreamLlm(const StreamLlmConfig& c) {
  // Sink t stands at slot t of the cache and the query behind a full window: distance
  // n_init + n_local - 1 - t.
  return std::make_unique<SinksAndWindow>(StreamLlmConfig::kName, c.n_init, c.n_local,
                                          PositionRule::Slot(c.n_init + c.n_local - 1));
}

std::unique_ptr<const AttentionMethod> MakeInfiniteLm(const InfiniteLmConfig& c) {
  return std::make_unique<SinksAndWindow>(InfiniteLmConfig::kName, c.n_init, c.n_local,
                                          PositionRule::Capped(c.n_local - 1));
}

}  // namespace quarry
