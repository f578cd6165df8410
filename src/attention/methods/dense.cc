#include "attention/methods/dense.h"

namespace quarry {
namespace {

class Dense final : public AttentionMethod {
 public:
  std::string_view name() const override { return DenseConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()}};
  }

  std::unique_ptr<MethodState> NewState(const ModelShape&, DType, int) const override {
    return std::make_unique<NoState>();
  }

  void Plan(const PlanInput& in, MethodState&, ExecContext&, AttentionPlan& plan) const override {
    PlanDense(in, {0, in.shape->heads}, plan);
  }
};

}  // namespace

void PlanDense(const PlanInput& in, IndexRange heads, AttentionPlan& plan) {
  PlanDenseRows(in, heads, {0, in.n_rows}, plan);
}

void PlanDenseRows(const PlanInput& in, IndexRange heads, IndexRange rows, AttentionPlan& plan) {
  plan.Add(
      {.heads = heads, .rows = rows, .mask = Mask::Causal(), .position = PositionRule::Absolute()});
  plan.AddSpan({0, in.first + rows.end});
}

std::unique_ptr<const AttentionMethod> MakeDense(const DenseConfig&) {
  return std::make_unique<Dense>();
}

}  // namespace quarry
