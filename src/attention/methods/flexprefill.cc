#include "attention/methods/flexprefill.h"

#include <algorithm>

#include "attention/methods/dense.h"
#include "attention/methods/prefill.h"
#include "base/checked_math.h"

namespace quarry {
namespace {

// Lives as long as a call: what it holds between calls is nothing.
class FlexPrefillState final : public MethodState {
 public:
  std::unique_ptr<MethodState> Clone() const override {
    return std::make_unique<FlexPrefillState>();
  }
  TokenPos Truncate(TokenPos n) override { return n; }
  size_t size_bytes() const override { return 0; }

  std::vector<FlexHead> heads;  // empty: dense
  FlexPrefillObserver* observer = nullptr;
};

class FlexPrefill final : public AttentionMethod {
 public:
  explicit FlexPrefill(const FlexPrefillConfig& config) : config_(config) {}

  std::string_view name() const override { return FlexPrefillConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()},
            .exec_rows = kPrefillExecRows};
  }

  std::unique_ptr<MethodState> NewState(const ModelShape&, DType, int) const override {
    return std::make_unique<FlexPrefillState>();
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<FlexPrefillState&>(base);
    if (in.first == in.call_begin) {
      state.heads.clear();
      if (IsSparse(in)) state.heads = Select(in, ctx);
      if (state.observer != nullptr && !state.heads.empty()) {
        state.observer->OnSelection(in, state.heads);
      }
    }
    if (state.heads.empty()) return PlanDense(in, {0, in.shape->heads}, plan);
    for (int h = 0; h < in.shape->heads; ++h) {
      const FlexHead& head = state.heads[static_cast<size_t>(h)];
      PlanBlockRows(in, h, config_.block_size, {head.row_ptr, head.blocks}, plan);
    }
    if (in.first + in.n_rows == in.call_end) state.heads = {};
  }

 private:
  // Few keys are attended whole, as in the authors' code. So are calls of no more rows than
  // estimate: estimating would cost as much as attending.
  bool IsSparse(const PlanInput& in) const {
    const int64_t b = config_.block_size;
    return in.phase == Phase::kPrefill &&
           in.call_end > std::max(2 * b, RoundUp(config_.min_budget, b)) &&
           in.call_end - in.call_begin > b;
  }

  std::vector<FlexHead> Select(const PlanInput& in, ExecContext& ctx) const {
    const int64_t b = config_.block_size;
    const int dim = in.shape->head_dim;
    const TokenRange last = {in.call_end - b, in.call_end};
    const std::vector<float> queries = RotatedQueries(in, last, ctx);
    const std::vector<LineMass> mass = ComputeLineMass(in, last, queries, ctx);

    const TokenPos origin = in.call_begin / b * b;
    const int64_t key_blocks = CeilDiv(in.call_end, b);
    const int64_t row_blocks = CeilDiv(in.call_end - origin, b);
    std::vector<float> key_means = SumKeyBlocks(in, b, in.call_end, ctx);
    std::vector<float> block_queries = SumQueryBlocks(in, origin, b, ctx);
    const auto divide = [&](std::vector<float>& sums, int64_t blocks, TokenPos first,
                            TokenPos begin) {
      for (size_t i = 0; i < sums.size(); ++i) {
        const TokenPos block = first + static_cast<int64_t>(i) / dim % blocks * b;
        const TokenPos n = std::min(in.call_end, block + b) - std::max(begin, block);
        sums[i] /= static_cast<float>(n);
      }
    };
    divide(key_means, key_blocks, 0, 0);
    divide(block_queries, row_blocks, origin, in.call_begin);

    std::vector<FlexHead> heads(static_cast<size_t>(in.shape->heads));
    ctx.threads().Run(in.shape->heads, [&](int64_t h, int) {
      std::vector<float> mean(static_cast<size_t>(dim), 0.0f);
      for (int64_t r = 0; r < b; ++r) {
        ctx.kernels().add(queries.data() + (h * b + r) * dim, dim, mean.data());
      }
      for (float& x : mean) x /= static_cast<float>(b);
      heads[static_cast<size_t>(h)] =
          SelectFlexHead(config_,
                         {.call = {in.call_begin, in.call_end},
                          .rows = b,
                          .head_dim = dim,
                          .window = in.shape->window(in.layer),
                          .mass = &mass[static_cast<size_t>(h)],
                          .query_mean = mean.data(),
                          .key_means = key_means.data() + h / in.shape->group() * key_blocks * dim,
                          .block_queries = block_queries.data() + h * row_blocks * dim},
                         ctx.kernels());
    });
    return heads;
  }

  FlexPrefillConfig config_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeFlexPrefill(const FlexPrefillConfig& c) {
  return std::make_unique<FlexPrefill>(c);
}

void SetFlexPrefillObserver(MethodState& state, FlexPrefillObserver* observer) {
  static_cast<FlexPrefillState&>(state).observer = observer;
}

}  // namespace quarry
