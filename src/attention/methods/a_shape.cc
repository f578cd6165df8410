#include "attention/methods/a_shape.h"

#include <algorithm>

#include "attention/methods/dense.h"
#include "attention/methods/prefill.h"

namespace quarry {
namespace {

class AShape final : public AttentionMethod {
 public:
  AShape(std::string_view name, const AShapeConfig& config, int64_t n_last)
      : name_(name), config_(config), n_last_(n_last) {}

  std::string_view name() const override { return name_; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()}};
  }

  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    return CheckStartingLayer(config_.starting_layer, shape);
  }

  std::unique_ptr<MethodState> NewState(const ModelShape&, DType, int) const override {
    return std::make_unique<NoState>();
  }

  void Plan(const PlanInput& in, MethodState&, ExecContext&, AttentionPlan& plan) const override {
    const IndexRange heads = {0, in.shape->heads};
    if (in.phase == Phase::kDecode || in.layer < config_.starting_layer)
      return PlanDense(in, heads, plan);
    const TokenPos end = in.hints.prompt_end == 0 ? in.call_end : in.hints.prompt_end;
    // At least the prompt's first row keeps the A-shape.
    const TokenPos last = end - std::min<int64_t>(n_last_, end - 1);
    const int shaped = static_cast<int>(std::clamp<TokenPos>(last - in.first, 0, in.n_rows));
    if (shaped > 0) PlanAShape(in, heads, {0, shaped}, config_.n_init, config_.n_local, plan);
    if (shaped == in.n_rows) return;
    plan.Add({.heads = heads,
              .rows = {shaped, in.n_rows},
              .mask = Mask::Causal(),
              .position = PositionRule::Absolute()});
    plan.AddSpan({0, in.first + in.n_rows});
  }

 private:
  std::string_view name_;
  AShapeConfig config_;
  int64_t n_last_;
};

}  // namespace

void PlanAShape(const PlanInput& in, IndexRange heads, IndexRange rows, int64_t n_init,
                int64_t n_local, AttentionPlan& plan) {
  const TokenPos begin = in.first + rows.begin;
  const TokenPos end = in.first + rows.end;
  plan.Add({.heads = heads,
            .rows = rows,
            .mask = Mask::Band(n_local),
            .position = PositionRule::Absolute()});
  plan.AddSpan({std::max<TokenPos>(0, begin - n_local + 1), end});
  if (end <= n_local || n_init == 0) return;
  plan.Add({.heads = heads,
            .rows = rows,
            .mask = Mask::Beyond(n_local),
            .position = PositionRule::Absolute()});
  plan.AddSpan({0, std::min(n_init, end - n_local)});
}

std::unique_ptr<const AttentionMethod> MakeAShape(const AShapeConfig& c) {
  return std::make_unique<AShape>(AShapeConfig::kName, c, 0);
}

std::unique_ptr<const AttentionMethod> MakeTriShape(const TriShapeConfig& c) {
  return std::make_unique<AShape>(TriShapeConfig::kName, c, c.n_last);
}

}  // namespace quarry
