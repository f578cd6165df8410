#include "attention/methods/a_shape.h"
#include "attention/methods/dense.h"
#include "attention/methods/flexprefill.h"
#include "attention/methods/h2o.h"
#include "attention/methods/infllm.h"
#include "attention/methods/infquest.h"
#include "attention/methods/minference.h"
#include "attention/methods/quest.h"
#include "attention/methods/tova.h"
#include "attention/methods/window.h"

namespace quarry {
namespace {

// One line a method.
std::unique_ptr<const AttentionMethod> Make(const DenseConfig& c) { return MakeDense(c); }
std::unique_ptr<const AttentionMethod> Make(const StreamLlmConfig& c) { return MakeStreamLlm(c); }
std::unique_ptr<const AttentionMethod> Make(const InfiniteLmConfig& c) { return MakeInfiniteLm(c); }
std::unique_ptr<const AttentionMethod> Make(const InfLlmConfig& c) { return MakeInfLlm(c); }
std::unique_ptr<const AttentionMethod> Make(const QLlmConfig& c) { return MakeQLlm(c); }
std::unique_ptr<const AttentionMethod> Make(const InfQuestConfig& c) { return MakeInfQuest(c); }
std::unique_ptr<const AttentionMethod> Make(const QuestConfig& c) { return MakeQuest(c); }
std::unique_ptr<const AttentionMethod> Make(const H2oConfig& c) { return MakeH2o(c); }
std::unique_ptr<const AttentionMethod> Make(const TovaConfig& c) { return MakeTova(c); }
std::unique_ptr<const AttentionMethod> Make(const MInferenceConfig& c) { return MakeMInference(c); }
std::unique_ptr<const AttentionMethod> Make(const FlexPrefillConfig& c) {
  return MakeFlexPrefill(c);
}
std::unique_ptr<const AttentionMethod> Make(const AShapeConfig& c) { return MakeAShape(c); }
std::unique_ptr<const AttentionMethod> Make(const TriShapeConfig& c) { return MakeTriShape(c); }

}  // namespace

bool AttentionMethod::PlanEverything(const PlanInput& in, AttentionPlan& plan) const {
  const MethodNeeds n = needs();
  for (const KvPlane plane : {KvPlane::kRotatedKeys, KvPlane::kValues}) {
    const PlaneRule& rule = n.planes[static_cast<size_t>(plane)];
    if (!rule.stored || rule.keep_last != PlaneRule::kAll) return false;
  }
  PlanWholePast({0, in.shape->heads}, in.first, in.n_rows, 0, plan);
  return true;
}

std::unique_ptr<const AttentionMethod> MakeMethod(const AttentionConfig& config) {
  return std::visit([](const auto& c) { return Make(c); }, config);
}

}  // namespace quarry
