#include "attention/methods/tova.h"

#include "attention/methods/eviction.h"

namespace quarry {
namespace {

class Tova final : public AttentionMethod {
 public:
  explicit Tova(const TovaConfig& config) : rule_{config.cache_size, 0} {}

  std::string_view name() const override { return TovaConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()}};
  }

  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType, int layer) const override {
    return std::make_unique<EvictionState>(rule_, 1, shape.window(layer));
  }

  size_t StateBytes(const ModelShape& shape, DType, TokenPos tokens) const override {
    return static_cast<size_t>(tokens * shape.layers) * sizeof(float);
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<EvictionState&>(base);
    state.Begin(in, ctx);
    // Only the last row's probabilities matter.
    const int last = in.n_rows - 1;
    for (const IndexRange rows : {IndexRange{0, last}, IndexRange{last, in.n_rows}}) {
      if (rows.size() == 0) continue;
      plan.Add({.heads = {0, in.shape->heads},
                .rows = rows,
                .mask = Mask::Causal(),
                .position = PositionRule::Absolute(),
                .want_scores = rows.begin == last});
      state.units()[0].AddTo(plan);
    }
  }

  void Observe(const PlanInput& in, const AttentionPlan& plan, const KeyScores& scores,
               MethodState& base, ExecContext& ctx) const override {
    auto& state = static_cast<EvictionState&>(base);
    KeptTokens& kept = state.units()[0];
    kept.ClearScores();
    for (int h = 0; h < in.shape->heads; ++h) {
      kept.AddScores(scores.Of(plan, plan.segments().size() - 1, h));
    }
    state.End(in, ctx);
  }

  void Follow(const PlanInput& in, MethodState& state, ExecContext&) const override {
    static_cast<EvictionState&>(state).Skip(in);
  }

 private:
  EvictionRule rule_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeTova(const TovaConfig& config) {
  return std::make_unique<Tova>(config);
}

}  // namespace quarry
