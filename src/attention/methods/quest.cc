#include "attention/methods/quest.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "attention/methods/adaptive_budget.h"
#include "attention/methods/dense.h"
#include "attention/methods/page_selector.h"
#include "base/checked_math.h"

namespace quarry {
namespace {

// The evaluation path keeps this many pages whatever the budget.
constexpr int64_t kEvalFloor = 3;

class QuestState final : public MethodState {
 public:
  QuestState(const QuestPages& empty, bool reads_all) : pages(empty), dense(reads_all) {}

  std::unique_ptr<MethodState> Clone() const override {
    auto copy = std::make_unique<QuestState>(*this);
    copy->observer = nullptr;
    return copy;
  }
  // Pages behind n are made again from the keys: nothing is lost.
  TokenPos Truncate(TokenPos n) override {
    pages.Truncate(n);
    return n;
  }
  size_t size_bytes() const override { return pages.size_bytes(); }
  void AddStats(MethodStats& stats) const override {
    stats.blocks_retrieved += retrieved;
    stats.memory_blocks += pages.pages();
  }

  QuestPages pages;
  bool dense;  // the layer reads everything and needs no summaries
  int64_t retrieved = 0;
  QuestObserver* observer = nullptr;
  std::vector<std::vector<int32_t>> selected;  // of the last row, per unit
};

// Which pages a query keeps.
struct Budget {
  bool all;            // every page it sees
  int64_t first;       // the first page it sees
  int64_t candidates;  // so many pages from there on are ranked
  int64_t best;        // so many of them are kept
  bool last;           // and the last page
};

class Quest final : public AttentionMethod {
 public:
  explicit Quest(const QuestConfig& config) : config_(config) {}

  std::string_view name() const override { return QuestConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()}};
  }

  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    if (config_.dense_layers < shape.layers) return {};
    return {fmt::format("dense_layers is {}, must be below {}, the model's layers",
                        config_.dense_layers, shape.layers)};
  }

  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType dtype,
                                        int layer) const override {
    return std::make_unique<QuestState>(
        QuestPages(shape, {dtype, config_.page_bounds}, config_.page_size),
        layer < config_.dense_layers);
  }

  size_t StateBytes(const ModelShape& shape, DType dtype, TokenPos tokens) const override {
    return QuestPages::StateBytes(shape, {dtype, config_.page_bounds}, config_.page_size, tokens,
                                  std::max<int64_t>(0, shape.layers - config_.dense_layers));
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<QuestState&>(base);
    if (state.dense) return PlanDense(in, {0, in.shape->heads}, plan);
    if (in.phase == Phase::kPrefill) {
      Follow(in, base, ctx);
      return PlanDense(in, {0, in.shape->heads}, plan);
    }
    for (int row = 0; row < in.n_rows; ++row) PlanRow(in, row, state, ctx, plan);
  }

  void Follow(const PlanInput& in, MethodState& base, ExecContext& ctx) const override {
    auto& state = static_cast<QuestState&>(base);
    if (!state.dense) state.pages.Extend(*in.kv, in.layer, in.first + in.n_rows, ctx);
  }

 private:
  // For a query that sees the last `window` of `tokens` tokens (0: all).
  Budget BudgetOf(TokenPos tokens, int64_t window) const {
    const int64_t seen = window > 0 ? std::min(tokens, window) : tokens;
    const int64_t first = (tokens - seen) / config_.page_size;
    const int64_t pages = CeilDiv(tokens, config_.page_size) - first;
    if (config_.selection == QuestSelection::kKernel) {
      const int64_t kept = config_.token_budget / config_.page_size;
      return {pages <= kept, first, pages - 1, kept - 1, true};
    }
    const int64_t fit = std::min(seen, config_.token_budget) / config_.page_size;
    const int64_t kept = std::min(std::max(kEvalFloor, fit), pages);
    return {kept == pages, first, pages, kept, false};
  }

  void PlanRow(const PlanInput& in, int row, QuestState& state, ExecContext& ctx,
               AttentionPlan& plan) const {
    const TokenPos tokens = in.first + row + 1;
    state.pages.Extend(*in.kv, in.layer, tokens, ctx);
    const Budget budget = BudgetOf(tokens, in.shape->window(in.layer));
    if (!budget.all || state.observer != nullptr) Select(in, row, budget, state, ctx);
    if (budget.all) return PlanDenseRows(in, {0, in.shape->heads}, {row, row + 1}, plan);

    const int units = static_cast<int>(state.selected.size());
    const int heads = in.shape->heads / units;
    for (int u = 0; u < units; ++u) {
      plan.Add({.heads = {u * heads, (u + 1) * heads},
                .rows = {row, row + 1},
                .mask = Mask::Causal(),
                .position = PositionRule::Absolute()});
      for (int64_t page : state.selected[static_cast<size_t>(u)]) {
        const TokenPos begin = page * config_.page_size;
        plan.AddSpan({begin, std::min(tokens, begin + config_.page_size)});
      }
      state.retrieved += static_cast<int64_t>(state.selected[static_cast<size_t>(u)].size());
    }
  }

  void Select(const PlanInput& in, int row, const Budget& budget, QuestState& state,
              ExecContext& ctx) const {
    const ModelShape& shape = *in.shape;
    const int units = PageUnits(shape, config_.group_score);
    Scratch::Scope scope(ctx.scratch());

    const bool watched = state.observer != nullptr;
    const int64_t pages = watched ? state.pages.pages() : budget.first + budget.candidates;
    PageBounds bounds, scores;
    if (budget.best > 0 || adapts() || watched) {
      bounds = BoundPages(state.pages, shape, Rotated(in, row, ctx), watched ? 0 : budget.first,
                          pages, ctx);
      scores = UnitScores(bounds, shape, config_.group_score, budget.first, budget.candidates, ctx);
    }
    std::vector<int64_t> best(static_cast<size_t>(units), budget.best);
    if (adapts() && !budget.all) Grow(in, row, budget, scores, ctx, best);

    state.selected.resize(static_cast<size_t>(units));
    ctx.threads().Run(units, [&](int64_t unit, int) {
      std::vector<int32_t>& out = state.selected[static_cast<size_t>(unit)];
      if (budget.all) {
        out.resize(static_cast<size_t>(state.pages.pages() - budget.first));
        std::iota(out.begin(), out.end(), static_cast<int32_t>(budget.first));
        return;
      }
      const int64_t k = best[static_cast<size_t>(unit)];
      out.resize(static_cast<size_t>(k + (budget.last ? 1 : 0)));
      if (budget.last) out.back() = static_cast<int32_t>(state.pages.pages() - 1);
      BestPages(scores, unit, budget.first, budget.candidates, k, ctx, out.data());
    });
    if (watched) {
      state.observer->OnStep(
          {.layer = in.layer,
           .query = in.first + row,
           .pages = pages,
           .bounds = {bounds.scores, static_cast<size_t>(shape.heads * bounds.stride)},
           .stride = bounds.stride,
           .selected = state.selected});
    }
  }

  bool adapts() const { return config_.target_coverage > 0; }

  // best: of each unit, how many of the candidates reach target_coverage.
  void Grow(const PlanInput& in, int row, const Budget& budget, const PageBounds& scores,
            ExecContext& ctx, std::span<int64_t> best) const {
    PlanInput one = in;
    one.first = in.first + row;
    one.n_rows = 1;
    const TokenPos tokens = one.first + 1;
    const TokenPos end = std::min(tokens, (budget.first + budget.candidates) * config_.page_size);
    const TokenRange last = {end, tokens};
    const RankedPast past = {.blocks = {budget.first * config_.page_size, end},
                             .block_size = config_.page_size,
                             .far_kept = {&last, 1}};
    const int64_t most = MostTokens(config_.max_budget, config_.token_budget) / config_.page_size;
    GrowBudgets(one, past,
                {.target = config_.target_coverage,
                 .least = budget.best,
                 .most = most - (budget.last ? 1 : 0)},
                scores.scores + budget.first, scores.stride, ctx, best);
  }

  // The row's queries, rotated to where they stand: [heads][head_dim].
  static const float* Rotated(const PlanInput& in, int row, ExecContext& ctx) {
    const int dim = in.shape->head_dim;
    float* q = ctx.scratch().Take<float>(static_cast<size_t>(in.shape->heads * dim)).data();
    const auto half = static_cast<size_t>(in.rope->pairs());
    float* cos = ctx.scratch().Take<float>(half).data();
    float* sin = ctx.scratch().Take<float>(half).data();
    in.rope->Angles(in.first + row, 1, cos, sin);
    for (int h = 0; h < in.shape->heads; ++h) {
      in.rope->Rotate(ctx.kernels(), in.q_row(row) + h * dim, cos, sin, q + h * dim);
    }
    return q;
  }

  QuestConfig config_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeQuest(const QuestConfig& config) {
  return std::make_unique<Quest>(config);
}

void SetQuestObserver(MethodState& state, QuestObserver* observer) {
  static_cast<QuestState&>(state).observer = observer;
}

const QuestPages& PagesOfQuest(const MethodState& state) {
  return static_cast<const QuestState&>(state).pages;
}

}  // namespace quarry
