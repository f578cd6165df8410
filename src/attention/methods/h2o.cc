#include "attention/methods/h2o.h"

#include "attention/methods/eviction.h"

namespace quarry {
namespace {

class H2o final : public AttentionMethod {
 public:
  explicit H2o(const H2oConfig& config) : rule_{config.heavy_size, config.recent_size} {}

  std::string_view name() const override { return H2oConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()}};
  }

  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType, int layer) const override {
    return std::make_unique<EvictionState>(rule_, shape.kv_heads, shape.window(layer));
  }

  size_t StateBytes(const ModelShape& shape, DType, TokenPos tokens) const override {
    return static_cast<size_t>(tokens * shape.layers * shape.kv_heads) * sizeof(float);
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<EvictionState&>(base);
    state.Begin(in, ctx);
    const int heads = state.whole() ? in.shape->heads : in.shape->group();
    for (int h = 0; h < in.shape->heads; h += heads) {
      plan.Add({.heads = {h, h + heads},
                .rows = {0, in.n_rows},
                .mask = Mask::Causal(),
                .position = PositionRule::Absolute(),
                .want_scores = true});
      state.units()[static_cast<size_t>(h / in.shape->group())].AddTo(plan);
    }
  }

  void Observe(const PlanInput& in, const AttentionPlan& plan, const KeyScores& scores,
               MethodState& base, ExecContext& ctx) const override {
    auto& state = static_cast<EvictionState&>(base);
    const int group = in.shape->group();
    ctx.threads().Run(in.shape->kv_heads, [&](int64_t unit, int) {
      const size_t segment = plan.segments().size() == 1 ? 0 : static_cast<size_t>(unit);
      for (int h = static_cast<int>(unit) * group; h < static_cast<int>(unit + 1) * group; ++h) {
        state.units()[static_cast<size_t>(unit)].AddScores(scores.Of(plan, segment, h));
      }
    });
    state.End(in, ctx);
  }

  void Follow(const PlanInput& in, MethodState& state, ExecContext&) const override {
    static_cast<EvictionState&>(state).Skip(in);
  }

 private:
  EvictionRule rule_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeH2o(const H2oConfig& config) {
  return std::make_unique<H2o>(config);
}

}  // namespace quarry
