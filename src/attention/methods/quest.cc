#include "attention/methods/quest.h"

#include <algorithm>
#include <numeric>

#include "base/checked_math.h"
#include "kernels/panel.h"

namespace quarry {
namespace {

// Panels of pages that a thread scores at once.
constexpr int64_t kPanelsPerPiece = 32;
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

  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType dtype,
                                        int layer) const override {
    return std::make_unique<QuestState>(QuestPages(shape, dtype, config_.page_size),
                                        layer < config_.dense_layers);
  }

  size_t StateBytes(const ModelShape& shape, DType dtype, TokenPos tokens) const override {
    const int64_t panels = CeilDiv(tokens, config_.page_size * QuestPages::kPagesPerPanel);
    const int64_t layers = std::max<int64_t>(0, shape.layers - config_.dense_layers);
    return static_cast<size_t>(layers * panels * 2 * shape.kv_heads) *
           kernels::KeyPanelBytes(QuestPages::SummaryDType(dtype), shape.head_dim);
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<QuestState&>(base);
    if (state.dense) return PlanDense(in, {0, in.n_rows}, plan);
    if (in.phase == Phase::kPrefill) {
      Follow(in, base, ctx);
      return PlanDense(in, {0, in.n_rows}, plan);
    }
    for (int row = 0; row < in.n_rows; ++row) PlanRow(in, row, state, ctx, plan);
  }

  void Follow(const PlanInput& in, MethodState& base, ExecContext& ctx) const override {
    auto& state = static_cast<QuestState&>(base);
    if (!state.dense) state.pages.Extend(*in.kv, in.layer, in.first + in.n_rows, ctx);
  }

 private:
  static void PlanDense(const PlanInput& in, IndexRange rows, AttentionPlan& plan) {
    plan.Add({.heads = {0, in.shape->heads},
              .rows = rows,
              .mask = Mask::Causal(),
              .position = PositionRule::Absolute()});
    plan.AddSpan({0, in.first + rows.end});
  }

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
    if (budget.all) return PlanDense(in, {row, row + 1}, plan);

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
    const bool per_head = config_.group_score == QuestGroup::kPerHead;
    const int units = per_head ? shape.heads : shape.kv_heads;
    const int group = per_head ? 1 : shape.group();
    Scratch::Scope scope(ctx.scratch());

    const int64_t pages =
        state.observer == nullptr ? budget.first + budget.candidates : state.pages.pages();
    const int64_t stride = CeilDiv(pages, QuestPages::kPagesPerPanel) * QuestPages::kPagesPerPanel;
    float* bounds = nullptr;
    if (budget.best > 0 || state.observer != nullptr) {
      bounds = ctx.scratch().Take<float>(static_cast<size_t>(shape.heads * stride)).data();
      const int64_t skip =
          state.observer == nullptr ? budget.first / QuestPages::kPagesPerPanel : 0;
      Bound(in, row, skip, stride, state.pages, ctx, bounds);
    }

    state.selected.resize(static_cast<size_t>(units));
    ctx.threads().Run(units, [&](int64_t unit, int worker) {
      std::vector<int32_t>& out = state.selected[static_cast<size_t>(unit)];
      if (budget.all) {
        out.resize(static_cast<size_t>(state.pages.pages() - budget.first));
        std::iota(out.begin(), out.end(), static_cast<int32_t>(budget.first));
        return;
      }
      out.resize(static_cast<size_t>(budget.best + (budget.last ? 1 : 0)));
      if (budget.last) out.back() = static_cast<int32_t>(state.pages.pages() - 1);
      if (budget.best == 0) return;
      Scratch::Scope inner(ctx.scratch(worker));
      const float* scores = bounds + unit * group * stride + budget.first;
      if (group > 1) scores = Combine(scores, group, stride, budget.candidates, ctx, worker);
      ctx.kernels().top_k(scores, budget.candidates, budget.best, out.data());
      for (int64_t i = 0; i < budget.best; ++i) {
        out[static_cast<size_t>(i)] += static_cast<int32_t>(budget.first);
      }
    });
    if (state.observer != nullptr) {
      state.observer->OnStep({.layer = in.layer,
                              .query = in.first + row,
                              .pages = pages,
                              .bounds = {bounds, static_cast<size_t>(shape.heads * stride)},
                              .stride = stride,
                              .selected = state.selected});
    }
  }

  // Bounds of the first `stride` pages but for `skip` panels, for every query head.
  void Bound(const PlanInput& in, int row, int64_t skip, int64_t stride, const QuestPages& summary,
             ExecContext& ctx, float* bounds) const {
    const int dim = in.shape->head_dim;
    const int group = in.shape->group();
    const auto width = static_cast<size_t>(in.shape->heads * dim);
    float* up = ctx.scratch().Take<float>(width).data();
    float* down = ctx.scratch().Take<float>(width).data();
    const auto half = static_cast<size_t>(in.rope->pairs());
    float* cos = ctx.scratch().Take<float>(half).data();
    float* sin = ctx.scratch().Take<float>(half).data();
    in.rope->Angles(in.first + row, 1, cos, sin);
    for (int h = 0; h < in.shape->heads; ++h) {
      float* q = up + h * dim;
      in.rope->Rotate(ctx.kernels(), in.q_row(row) + h * dim, cos, sin, q);
      for (int d = 0; d < dim; ++d) {
        down[h * dim + d] = std::min(q[d], 0.0f);
        q[d] = std::max(q[d], 0.0f);
      }
    }
    const int64_t panels = stride / QuestPages::kPagesPerPanel - skip;
    const int64_t cuts = CeilDiv(panels, kPanelsPerPiece);
    ctx.threads().Run(cuts * in.shape->kv_heads, [&](int64_t piece, int) {
      const int head = static_cast<int>(piece % in.shape->kv_heads);
      const Slice cut = SliceOf(panels, cuts, piece / in.shape->kv_heads);
      summary.Bounds({.kv_head = head,
                      .rows = group,
                      .up = up + head * group * dim,
                      .down = down + head * group * dim,
                      .panel_begin = skip + cut.begin,
                      .panel_end = skip + cut.end},
                     ctx.kernels(), bounds + head * group * stride, stride);
    });
  }

  // One score a page for the query heads of a group: their mean up to a factor, or their largest.
  const float* Combine(const float* bounds, int group, int64_t stride, int64_t n, ExecContext& ctx,
                       int worker) const {
    float* out = ctx.scratch(worker).Take<float>(static_cast<size_t>(n)).data();
    std::copy_n(bounds, n, out);
    for (int h = 1; h < group; ++h) {
      const float* next = bounds + h * stride;
      if (config_.group_score == QuestGroup::kMean) {
        ctx.kernels().add(next, n, out);
      } else {
        for (int64_t i = 0; i < n; ++i) out[i] = std::max(out[i], next[i]);
      }
    }
    return out;
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
