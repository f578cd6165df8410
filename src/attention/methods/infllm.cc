#include "attention/methods/infllm.h"

#include <algorithm>
#include <optional>

#include "attention/methods/adaptive_budget.h"
#include "attention/methods/block_relevance.h"
#include "attention/methods/far_past.h"
#include "attention/methods/infllm_state.h"
#include "base/check.h"

namespace quarry {
namespace {

// What Q-LLM adds.
struct QuestionOptions {
  QuestionMode mode;
  double weight;
  BlockSimilarity similarity;
};

class InfLlm final : public AttentionMethod {
 public:
  InfLlm(std::string_view name, const InfLlmConfig& config, std::optional<QuestionOptions> question)
      : name_(name), config_(config), question_(question) {}

  std::string_view name() const override { return name_; }

  MethodNeeds needs() const override {
    // Keys are kept raw, as far keys are seen unrotated; the window's are kept rotated as well.
    return {.planes = {PlaneRule::All(), PlaneRule{true, 0, config_.n_local}, PlaneRule::All()},
            .exec_rows = config_.exc_block_size,
            .last_token_alone = true,
            .farthest = config_.n_local,
            .question_first = question_.has_value()};
  }

  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    return CheckModelWindow("n_local", config_.n_local, shape);
  }

  std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType dtype,
                                        int layer) const override {
    std::optional<QuestionMode> mode;
    if (question_) mode = question_->mode;
    return std::make_unique<InfLlmState>(config_, mode, shape, SummaryType(dtype), layer);
  }

  size_t StateBytes(const ModelShape& shape, DType dtype, TokenPos tokens) const override {
    const int64_t far = tokens - config_.n_local - config_.n_init;
    const auto blocks = static_cast<size_t>(std::max<int64_t>(0, far / config_.block_size));
    return static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.heads) *
           (blocks * static_cast<size_t>(shape.head_dim) * SizeOf(SummaryType(dtype)) +
            static_cast<size_t>(2 * (config_.n_local + config_.exc_block_size)) * sizeof(float));
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<InfLlmState&>(base);
    const TokenPos a = in.first;
    const TokenPos b = in.first + in.n_rows;
    if (a == in.call_begin) state.BeginCall(a);
    Select(in, state, ctx);

    const IndexRange heads = {0, in.shape->heads};
    plan.Add({.heads = heads,
              .rows = {0, in.n_rows},
              .mask = Mask::Band(config_.n_local),
              .position = PositionRule::Absolute(),
              .want_scores = true});
    plan.AddSpan({std::max<TokenPos>(0, a - config_.n_local + 1), b});

    const InfLlmState::Memory& m = state.memory;
    const TokenRange tail = Tail(m, b);
    const int units = static_cast<int>(state.selected.size());
    for (int u = 0; u < units; ++u) {
      if (state.selected[static_cast<size_t>(u)].empty() && m.sinks == 0 && tail.empty()) continue;
      plan.Add({.heads = units == 1 ? heads : IndexRange{u, u + 1},
                .rows = {0, in.n_rows},
                .mask = config_.mask == WindowMask::kStrict ? Mask::Beyond(config_.n_local)
                                                            : Mask::None(),
                .position = PositionRule::Capped(config_.n_local - 1),
                .want_scores = config_.cache_strategy == CachePolicy::kLruS});
      plan.AddSpan({0, m.sinks});
      for (int64_t block : state.selected[static_cast<size_t>(u)]) plan.AddSpan(Block(block));
      plan.AddSpan(tail);
    }
    if (config_.mask == WindowMask::kReference) {
      // Tail tokens that are still inside a row's own window are attended a second time.
      int64_t doubled = 0;
      for (TokenPos p = a; p < b; ++p) {
        doubled += std::max<int64_t>(0, tail.end - std::max(tail.begin, p - config_.n_local + 1));
      }
      plan.AddDuplicatePairs(doubled * in.shape->heads);
    }
  }

  void Observe(const PlanInput& in, const AttentionPlan& plan, const KeyScores& scores,
               MethodState& base, ExecContext& ctx) const override {
    auto& state = static_cast<InfLlmState&>(base);
    if (config_.cache_strategy == CachePolicy::kLruS) AddMass(plan, scores, state);

    const InfLlmState::Memory before = Counters(state.memory);
    const TokenRange tail = Tail(state.memory, in.first + in.n_rows);
    std::vector<std::span<const float>> local;
    for (int h = 0; h < in.shape->heads; ++h) local.push_back(scores.Of(plan, 0, h));
    state.EndBlock(in, plan.spans(plan.segments()[0])[0].begin, local, ctx);

    if (state.observer == nullptr) return;
    const InfLlmState::Memory& m = state.memory;
    state.observer->OnStep({.layer = in.layer,
                            .begin = in.first,
                            .end = in.first + in.n_rows,
                            .sinks_before = before.sinks,
                            .blocks_before = before.blocks,
                            .candidates = Candidates(in, before),
                            .tail = tail,
                            .selected = state.selected,
                            .block_scores = state.block_scores,
                            .caches = m.caches,
                            .evicted = state.evicted,
                            .sinks_after = m.sinks,
                            .blocks_after = m.blocks,
                            .tail_start_after = m.tail_start,
                            .question = m.question ? &*m.question : nullptr});
  }

  bool PlanEverything(const PlanInput& in, AttentionPlan& plan) const override {
    PlanWholePast({0, in.shape->heads}, in.first, in.n_rows, config_.n_local, plan);
    return true;
  }

 private:
  TokenRange Block(int64_t j) const {
    const TokenPos begin = config_.n_init + j * config_.block_size;
    return {begin, begin + config_.block_size};
  }
  // Tokens that left the window of the block's last query but are in no block yet.
  TokenRange Tail(const InfLlmState::Memory& m, TokenPos end) const {
    return {m.tail_start, std::max(m.tail_start, end - config_.n_local)};
  }
  // The numbers of a memory without its buffers.
  static InfLlmState::Memory Counters(const InfLlmState::Memory& m) {
    return {.length = m.length,
            .sinks = m.sinks,
            .sinks_complete = m.sinks_complete,
            .tail_start = m.tail_start,
            .blocks = m.blocks,
            .scores = ScoreWindow(0),
            .caches = {},
            .question = std::nullopt,
            .span_end = m.span_end,
            .span_candidates = m.span_candidates};
  }

  // Whether the selection of this block was, or will be, made with those of a longer span.
  bool InSpan(const PlanInput& in) const {
    return config_.chunk_topk_calc.has_value() && in.call_end - in.call_begin > 1;
  }
  int64_t Candidates(const PlanInput& in, const InfLlmState::Memory& m) const {
    return InSpan(in) ? m.span_candidates : m.blocks;
  }

  void Select(const PlanInput& in, InfLlmState& state, ExecContext& ctx) const {
    InfLlmState::Memory& m = state.memory;
    if (InSpan(in) && (in.first == in.call_begin || in.first >= m.span_end)) {
      const int64_t span =
          *config_.chunk_topk_calc / config_.exc_block_size * config_.exc_block_size;
      m.span_end = in.first + span;
      m.span_candidates = m.blocks;
    }
    const int64_t n = Candidates(in, m);
    const bool take_all = n <= config_.topk;
    Scratch::Scope scope(ctx.scratch());
    std::span<const float> query;
    if (n > 0 && (!take_all || state.observer != nullptr)) {
      query = MeanFarQuery(in, config_.n_local, ctx);
    }

    for (size_t u = 0; u < state.selected.size(); ++u) {
      state.block_scores[u].resize(query.empty() ? 0 : static_cast<size_t>(n));
      if (!query.empty()) Score(in, state, u, query, ctx);
    }
    std::vector<int64_t> counts(state.selected.size(), config_.topk);
    if (config_.target_coverage > 0 && !take_all) Grow(in, n, state, ctx, counts);

    std::vector<int64_t> order;  // in which missing blocks are loaded
    for (size_t u = 0; u < state.selected.size(); ++u) {
      order.clear();
      if (take_all) {
        for (int64_t j = 0; j < n; ++j) order.push_back(j);
      } else {
        TopBlocks(state.block_scores[u], counts[u], order);
      }
      state.selected[u] = order;
      std::sort(state.selected[u].begin(), state.selected[u].end());
      const BlockCache::Change change = m.caches[u].Select(order);
      state.evicted[u].assign(change.evicted.begin(), change.evicted.end());
    }
  }

  // counts: of each unit, how many of n blocks reach target_coverage.
  void Grow(const PlanInput& in, int64_t n, const InfLlmState& state, ExecContext& ctx,
            std::span<int64_t> counts) const {
    const TokenRange kept[] = {{0, state.memory.sinks}, Tail(state.memory, in.first + in.n_rows)};
    const RankedPast past = {.blocks = {Block(0).begin, Block(n).begin},
                             .block_size = config_.block_size,
                             .far_kept = kept,
                             .window = config_.n_local};
    std::vector<float> scores;
    for (const std::vector<float>& of_unit : state.block_scores) {
      scores.insert(scores.end(), of_unit.begin(), of_unit.end());
    }
    GrowBudgets(
        in, past,
        {.target = config_.target_coverage, .least = config_.topk, .most = MostBlocks(config_)},
        scores.data(), n, ctx, counts);
  }

  void Score(const PlanInput& in, InfLlmState& state, size_t unit, std::span<const float> query,
             ExecContext& ctx) const {
    RelevanceQuery q = {.rows = &state.representatives,
                        .dtype = SummaryType(in.kv_dtype),
                        .n = static_cast<int64_t>(state.block_scores[unit].size()),
                        .offset = 0,
                        .y = query,
                        .question = {},
                        .question_weight = 0,
                        .similarity = BlockSimilarity::kDot};
    if (question_) {
      q.question = state.memory.question->vector();
      q.question_weight = question_->weight;
      q.similarity = question_->similarity;
    }
    if (config_.perhead) {
      const auto dim = static_cast<size_t>(in.shape->head_dim);
      q.offset = static_cast<int64_t>(unit * dim);
      q.y = query.subspan(unit * dim, dim);
      if (!q.question.empty()) q.question = q.question.subspan(unit * dim, dim);
    }
    ScoreBlocks(q, ctx, state.block_scores[unit]);
  }

  // lru-s: the probability mass that every selected block received, over heads, rows and tokens.
  void AddMass(const AttentionPlan& plan, const KeyScores& scores, InfLlmState& state) const {
    std::vector<double> mass;
    for (size_t u = 0; u < state.selected.size(); ++u) {
      // Units without a global segment selected nothing.
      const size_t segment = plan.segments().size() == 1 ? 0 : 1 + u;
      const std::vector<int64_t>& blocks = state.selected[u];
      mass.assign(blocks.size(), 0.0);
      for (size_t i = 0; i < blocks.size(); ++i) {
        const Segment& s = plan.segments()[segment];
        const int64_t at = KeyIndex(plan, s, Block(blocks[i]).begin);
        for (int h = s.heads.begin; h < s.heads.end; ++h) {
          const auto of = scores.Of(plan, segment, h);
          for (int64_t t = 0; t < config_.block_size; ++t) {
            mass[i] += static_cast<double>(of[static_cast<size_t>(at + t)]);
          }
        }
      }
      BlockCache& cache = state.memory.caches[u];
      cache.AddMass(blocks, mass);
    }
  }

  // Index of token t among the keys of a segment.
  static int64_t KeyIndex(const AttentionPlan& plan, const Segment& s, TokenPos t) {
    int64_t index = 0;
    for (const TokenRange& span : plan.spans(s)) {
      if (t >= span.begin && t < span.end) return index + t - span.begin;
      index += span.size();
    }
    QUARRY_CHECK(false, "a selected block is not in the plan");
    return 0;
  }

  std::string_view name_;
  InfLlmConfig config_;
  std::optional<QuestionOptions> question_;
};

}  // namespace

std::unique_ptr<const AttentionMethod> MakeInfLlm(const InfLlmConfig& c) {
  return std::make_unique<InfLlm>(InfLlmConfig::kName, c, std::nullopt);
}

std::unique_ptr<const AttentionMethod> MakeQLlm(const QLlmConfig& c) {
  return std::make_unique<InfLlm>(
      QLlmConfig::kName, c,
      QuestionOptions{c.question_mode, c.question_weight, c.block_similarity});
}

void SetInfLlmObserver(MethodState& state, InfLlmObserver* observer) {
  static_cast<InfLlmState&>(state).observer = observer;
}

}  // namespace quarry
