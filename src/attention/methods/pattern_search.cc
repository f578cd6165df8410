#include "attention/methods/pattern_search.h"

#include <algorithm>
#include <cmath>

#include "attention/execute.h"
#include "attention/methods/dense.h"
#include "attention/methods/minference.h"

namespace quarry {
namespace {

// Queries before this one do not count, or before the middle of a shorter prompt.
constexpr TokenPos kFirstCountedRow = 2500;
constexpr float kDeviation = 5e-3f;

constexpr PatternCandidate kOutputCandidates[] = {
    {HeadPatternType::kAShape, 100, 800},          {HeadPatternType::kVerticalSlash, 30, 800},
    {HeadPatternType::kVerticalSlash, 100, 800},   {HeadPatternType::kVerticalSlash, 100, 750},
    {HeadPatternType::kVerticalSlash, 500, 700},   {HeadPatternType::kVerticalSlash, 3500, 100},
    {HeadPatternType::kVerticalSlash, 1000, 4096}, {HeadPatternType::kBlockSparse, 10, 1}};

// Attends the whole call as `method` plans it; [rows][heads * dim].
std::vector<float> Attend(const AttentionMethod& method, const PlanInput& whole,
                          AttentionExecutor& executor, ExecContext& ctx) {
  const int64_t rows = whole.call_end - whole.call_begin;
  const int64_t width = int64_t{whole.shape->heads} * whole.shape->head_dim;
  std::vector<float> out(static_cast<size_t>(rows * width));
  const auto state = method.NewState(*whole.shape, whole.kv_dtype, whole.layer);
  const int64_t at_once = method.needs().exec_rows == 0 ? rows : method.needs().exec_rows;
  AttentionPlan plan;
  for (int64_t row = 0; row < rows; row += at_once) {
    PlanInput in = whole;
    in.first = whole.call_begin + row;
    in.n_rows = static_cast<int>(std::min(at_once, rows - row));
    plan.Clear();
    method.Plan(in, *state, ctx, plan);
    if (const int64_t window = in.shape->window(in.layer); window > 0) {
      plan.LimitToWindow(in.first, window);
    }
    executor.Execute(plan,
                     {.layer = in.layer,
                      .shape = in.shape,
                      .kv_dtype = in.kv_dtype,
                      .kv = in.kv,
                      .rope = in.rope,
                      .first = in.first,
                      .n_rows = in.n_rows,
                      .q = in.q_row(0),
                      .q_stride = in.q_stride,
                      .cos = in.cos + row * in.rope->pairs(),
                      .sin = in.sin + row * in.rope->pairs(),
                      .out = out.data() + row * width,
                      .out_stride = width},
                     ctx);
  }
  return out;
}

// Every head follows `candidate`, in whatever layer.
std::unique_ptr<const AttentionMethod> Uniform(const PatternCandidate& candidate,
                                               const PlanInput& in) {
  auto table = std::make_shared<PatternTable>();
  table->layers.resize(static_cast<size_t>(in.layer) + 1);
  for (int h = 0; h < in.shape->heads; ++h) {
    table->layers.back()[h] = {candidate.type, candidate.first, candidate.second, 0, true};
  }
  MInferenceConfig config;
  config.patterns = std::move(table);
  return MakeMInference(config);
}

class PatternSearch final : public AttentionMethod {
 public:
  explicit PatternSearch(const HeadSearchOptions& options) : options_(options) {}

  std::string_view name() const override { return "pattern-search"; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()}};
  }

  std::unique_ptr<MethodState> NewState(const ModelShape&, DType, int) const override {
    return std::make_unique<NoState>();
  }

  void Plan(const PlanInput& in, MethodState&, ExecContext& ctx,
            AttentionPlan& plan) const override {
    PlanDense(in, {0, in.shape->heads}, plan);
    if (in.layer < options_.first_layer) return;
    options_.on_layer(in.layer, options_.objective == SearchObjective::kRecall ? ByRecall(in, ctx)
                                                                               : ByOutput(in, ctx));
  }

 private:
  std::map<int, HeadPattern> ByRecall(const PlanInput& in, ExecContext& ctx) const {
    const auto recall =
        PatternRecall(in, RecallCandidates(), std::min(kFirstCountedRow, in.call_end / 2), ctx);
    std::map<int, HeadPattern> heads;
    for (int h = 0; h < in.shape->heads; ++h) {
      heads[h] = ChooseByRecall(RecallCandidates(), recall[static_cast<size_t>(h)],
                                options_.keep_patterns);
    }
    return heads;
  }

  static std::map<int, HeadPattern> ByOutput(const PlanInput& in, ExecContext& ctx) {
    const auto deviations = OutputDeviations(in, OutputCandidates(), ctx);
    std::map<int, HeadPattern> heads;
    for (int h = 0; h < in.shape->heads; ++h) {
      const std::vector<int64_t>& of = deviations[static_cast<size_t>(h)];
      const auto best = static_cast<size_t>(std::min_element(of.begin(), of.end()) - of.begin());
      const PatternCandidate& c = OutputCandidates()[best];
      heads[h] = {c.type, c.first, c.second, static_cast<double>(of[best]), true};
    }
    return heads;
  }

  HeadSearchOptions options_;
};

}  // namespace

std::span<const PatternCandidate> OutputCandidates() { return kOutputCandidates; }

std::vector<std::vector<int64_t>> OutputDeviations(const PlanInput& in,
                                                   std::span<const PatternCandidate> candidates,
                                                   ExecContext& ctx) {
  AttentionExecutor executor;
  const std::vector<float> dense = Attend(*MakeDense({}), in, executor, ctx);
  const int64_t dim = in.shape->head_dim;
  std::vector<std::vector<int64_t>> deviations(static_cast<size_t>(in.shape->heads));
  for (const PatternCandidate& candidate : candidates) {
    const std::vector<float> sparse = Attend(*Uniform(candidate, in), in, executor, ctx);
    for (auto& of_head : deviations) of_head.push_back(0);
    for (size_t i = 0; i < dense.size(); ++i) {
      const int64_t head = static_cast<int64_t>(i) / dim % in.shape->heads;
      if (std::abs(sparse[i] - dense[i]) > kDeviation) {
        ++deviations[static_cast<size_t>(head)].back();
      }
    }
  }
  return deviations;
}

std::unique_ptr<const AttentionMethod> MakePatternSearch(const HeadSearchOptions& options) {
  return std::make_unique<PatternSearch>(options);
}

}  // namespace quarry
