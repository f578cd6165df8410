// An attention method under a stopwatch: does what the method does and adds up what its selection
// takes.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attention/method.h"

namespace quarry::bench {

class TimedMethod final : public AttentionMethod {
 public:
  explicit TimedMethod(std::unique_ptr<const AttentionMethod> method)
      : method_(std::move(method)) {}

  // Seconds inside Plan since the last call of this.
  double TakePlanSeconds() const { return std::exchange(plan_s_, 0.0); }

  std::string_view name() const override { return method_->name(); }
  MethodNeeds needs() const override { return method_->needs(); }
  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    return method_->Unsupported(shape);
  }
  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType kv_dtype,
                                        int layer) const override {
    return method_->NewState(shape, kv_dtype, layer);
  }
  size_t StateBytes(const ModelShape& shape, DType kv_dtype, TokenPos tokens) const override {
    return method_->StateBytes(shape, kv_dtype, tokens);
  }
  void Plan(const PlanInput& in, MethodState& state, ExecContext& ctx,
            AttentionPlan& plan) const override {
    const auto begin = std::chrono::steady_clock::now();
    method_->Plan(in, state, ctx, plan);
    plan_s_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  bool PlanEverything(const PlanInput& in, AttentionPlan& plan) const override {
    return method_->PlanEverything(in, plan);
  }
  void Observe(const PlanInput& in, const AttentionPlan& plan, const KeyScores& scores,
               MethodState& state, ExecContext& ctx) const override {
    method_->Observe(in, plan, scores, state, ctx);
  }
  void Follow(const PlanInput& in, MethodState& state, ExecContext& ctx) const override {
    method_->Follow(in, state, ctx);
  }

 private:
  std::unique_ptr<const AttentionMethod> method_;
  mutable double plan_s_ = 0;  // one thread of control plans
};

}  // namespace quarry::bench
