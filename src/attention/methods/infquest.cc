#include "attention/methods/infquest.h"

#include <algorithm>

#include "attention/methods/adaptive_budget.h"
#include "attention/methods/far_past.h"
#include "attention/methods/page_selector.h"
#include "attention/methods/quest_pages.h"
#include "base/checked_math.h"

namespace quarry {
namespace {

class InfQuestState final : public MethodState {
 public:
  explicit InfQuestState(const QuestPages& empty) : pages(empty) {}

  std::unique_ptr<MethodState> Clone() const override {
    return std::make_unique<InfQuestState>(*this);
  }
  // Pages are made again from the keys: nothing is lost.
  TokenPos Truncate(TokenPos n) override {
    pages.Truncate(n);
    return n;
  }
  size_t size_bytes() const override { return pages.size_bytes(); }
  void AddStats(MethodStats& stats) const override {
    stats.blocks_retrieved += retrieved;
    stats.memory_blocks += pages.pages();
  }

  QuestPages pages;  // of raw keys
  int64_t retrieved = 0;
  std::vector<std::vector<int32_t>> selected;  // per unit, of the current execution block
};

class InfQuest final : public AttentionMethod {
 public:
  explicit InfQuest(const InfQuestConfig& config) : config_(config) {}

  std::string_view name() const override { return InfQuestConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::All(), PlaneRule{true, 0, config_.n_local}, PlaneRule::All()},
            .exec_rows = config_.exc_block_size,
            .last_token_alone = true,
            .farthest = config_.n_local};
  }

  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    return CheckModelWindow("n_local", config_.n_local, shape);
  }

  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType dtype, int) const override {
    return std::make_unique<InfQuestState>(
        QuestPages(shape, {dtype, config_.page_bounds}, config_.page_size, KvPlane::kRawKeys));
  }

  size_t StateBytes(const ModelShape& shape, DType dtype, TokenPos tokens) const override {
    return QuestPages::StateBytes(shape, {dtype, config_.page_bounds}, config_.page_size, tokens,
                                  shape.layers);
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<InfQuestState&>(base);
    const TokenPos end = in.first + in.n_rows;
    const IndexRange heads = {0, in.shape->heads};
    plan.Add({.heads = heads,
              .rows = {0, in.n_rows},
              .mask = Mask::Band(config_.n_local),
              .position = PositionRule::Absolute()});
    plan.AddSpan({std::max<TokenPos>(0, in.first - config_.n_local + 1), end});

    // What left the window of the last row; the mask keeps it from rows that still have it there.
    const TokenPos far = end - config_.n_local;
    if (far <= 0) return;
    // After a truncation more may be summarised already.
    const int64_t pages = far / config_.page_size;
    state.pages.Extend(*in.kv, in.layer, pages * config_.page_size, ctx);
    const int64_t first = std::min(pages, CeilDiv(config_.n_init, config_.page_size));
    const int64_t budget = BudgetOf(in) / config_.page_size;
    const bool all = pages - first <= budget;
    // Sinks to the end of the page that the last of them is in, and the unfinished page.
    const TokenRange kept[] = {{0, first * config_.page_size}, {pages * config_.page_size, far}};
    if (!all) Select(in, first, pages - first, budget, kept, state, ctx);

    const int units = all ? 1 : static_cast<int>(state.selected.size());
    for (int u = 0; u < units; ++u) {
      const int per_unit = in.shape->heads / units;
      plan.Add({.heads = {u * per_unit, (u + 1) * per_unit},
                .rows = {0, in.n_rows},
                .mask = Mask::Beyond(config_.n_local),
                .position = PositionRule::Capped(config_.n_local - 1)});
      if (all) {
        plan.AddSpan({0, far});
        continue;
      }
      plan.AddSpan(kept[0]);
      for (int64_t page : state.selected[static_cast<size_t>(u)]) {
        plan.AddSpan({page * config_.page_size, (page + 1) * config_.page_size});
      }
      plan.AddSpan(kept[1]);
      state.retrieved += static_cast<int64_t>(state.selected[static_cast<size_t>(u)].size());
    }
  }

  bool PlanEverything(const PlanInput& in, AttentionPlan& plan) const override {
    PlanWholePast({0, in.shape->heads}, in.first, in.n_rows, config_.n_local, plan);
    return true;
  }

 private:
  // Tokens retrieved: a prompt's own question, and its last token, are answered like the answer's
  // tokens.
  int64_t BudgetOf(const PlanInput& in) const {
    const bool asks = in.hints.question.begin < in.first + in.n_rows &&
                      in.hints.question.end > in.first && !in.hints.question.empty();
    const bool last = in.n_rows == 1 && in.first + 1 >= in.hints.prompt_end;
    return in.phase == Phase::kDecode || last || asks ? config_.answer_budget : config_.read_budget;
  }

  // Of pages [first, first + n) the k best, or as many more as target_coverage asks for; `kept` is
  // attended besides.
  void Select(const PlanInput& in, int64_t first, int64_t n, int64_t k,
              std::span<const TokenRange> kept, InfQuestState& state, ExecContext& ctx) const {
    const int units = PageUnits(*in.shape, config_.group_score);
    Scratch::Scope scope(ctx.scratch());
    const PageBounds bounds =
        BoundPages(state.pages, *in.shape, MeanFarQuery(in, config_.n_local, ctx).data(), first,
                   first + n, ctx);
    const PageBounds scores = UnitScores(bounds, *in.shape, config_.group_score, first, n, ctx);
    std::vector<int64_t> counts(static_cast<size_t>(units), k);
    if (config_.target_coverage > 0) {
      const RankedPast past = {
          .blocks = {first * config_.page_size, (first + n) * config_.page_size},
          .block_size = config_.page_size,
          .far_kept = kept,
          .window = config_.n_local};
      GrowBudgets(in, past,
                  {.target = config_.target_coverage,
                   .least = k,
                   .most = MostTokens(config_.max_budget, BudgetOf(in)) / config_.page_size},
                  scores.scores + first, scores.stride, ctx, counts);
    }
    state.selected.resize(static_cast<size_t>(units));
    ctx.threads().Run(units, [&](int64_t unit, int) {
      std::vector<int32_t>& out = state.selected[static_cast<size_t>(unit)];
      out.resize(static_cast<size_t>(counts[static_cast<size_t>(unit)]));
      BestPages(scores, unit, first, n, counts[static_cast<size_t>(unit)], ctx, out.data());
    });
  }

  InfQuestConfig config_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeInfQuest(const InfQuestConfig& config) {
  return std::make_unique<InfQuest>(config);
}

}  // namespace quarry
