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
    plan.Add({.heads = {0, in.shape->heads},
              .rows = {0, in.n_rows},
              .mask = Mask::Causal(),
              .position = PositionRule::Absolute()});
    plan.AddSpan({0, in.first + in.n_rows});
  }
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeDense(const DenseConfig&) {
  return std::make_unique<Dense>();
}

}  // namespace quarry
