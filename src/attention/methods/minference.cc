#include "attention/methods/minference.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "attention/methods/a_shape.h"
#include "attention/methods/dense.h"
#include "attention/methods/prefill.h"
#include "attention/select_top.h"
#include "base/checked_math.h"

namespace quarry {
namespace {

using Kind = HeadSelection::Kind;

// Lives as long as a call: what it holds between calls is nothing.
class MInferenceState final : public MethodState {
 public:
  std::unique_ptr<MethodState> Clone() const override {
    return std::make_unique<MInferenceState>();
  }
  TokenPos Truncate(TokenPos n) override { return n; }
  size_t size_bytes() const override { return 0; }

  std::vector<HeadSelection> heads;  // empty: all dense
  MInferenceObserver* observer = nullptr;
};

class MInference final : public AttentionMethod {
 public:
  explicit MInference(const MInferenceConfig& config) : config_(config) {}

  std::string_view name() const override { return MInferenceConfig::kName; }

  MethodNeeds needs() const override {
    return {.planes = {PlaneRule::None(), PlaneRule::All(), PlaneRule::All()},
            .exec_rows = kPrefillExecRows};
  }

  std::vector<std::string> Unsupported(const ModelShape& shape) const override {
    std::vector<std::string> reasons = CheckStartingLayer(config_.starting_layer, shape);
    if (config_.patterns == nullptr && !config_.pattern_file.empty()) {
      reasons.push_back(fmt::format("pattern_file {} was not read, must be by LoadPatterns first",
                                    config_.pattern_file));
    }
    if (config_.patterns == nullptr) return reasons;
    const PatternTable& t = *config_.patterns;
    if (static_cast<int>(t.layers.size()) != shape.layers) {
      reasons.push_back(fmt::format("pattern_file {} has {} layers, must have {} as the model has",
                                    t.name, t.layers.size(), shape.layers));
    }
    if (t.heads() != shape.heads) {
      reasons.push_back(fmt::format("pattern_file {} has {} heads, must have {} as the model has",
                                    t.name, t.heads(), shape.heads));
    }
    return reasons;
  }

  std::unique_ptr<MethodState> NewState(const ModelShape&, DType, int) const override {
    return std::make_unique<MInferenceState>();
  }

  void Plan(const PlanInput& in, MethodState& base, ExecContext& ctx,
            AttentionPlan& plan) const override {
    auto& state = static_cast<MInferenceState&>(base);
    if (in.first == in.call_begin) {
      state.heads.clear();
      if (in.phase == Phase::kPrefill && in.layer >= config_.starting_layer) {
        state.heads = Select(in, state.observer != nullptr, ctx);
      }
      if (state.observer != nullptr && !state.heads.empty()) {
        state.observer->OnSelection(in, state.heads);
      }
    }
    if (state.heads.empty()) return PlanDense(in, {0, in.shape->heads}, plan);
    for (int h = 0; h < in.shape->heads; ++h) {
      PlanHead(in, h, state.heads[static_cast<size_t>(h)], plan);
    }
    if (in.first + in.n_rows == in.call_end) state.heads = {};
  }

 private:
  // Unset: sizes by coverage.
  std::optional<HeadPattern> PatternOf(int layer, int head) const {
    if (config_.patterns == nullptr) return std::nullopt;
    HeadPattern pattern;
    pattern.first = config_.vertical_size;
    pattern.second = config_.slash_size;
    const auto& layers = config_.patterns->layers;
    if (layer < static_cast<int>(layers.size())) {
      const auto& heads = layers[static_cast<size_t>(layer)];
      if (const auto it = heads.find(head); it != heads.end()) pattern = it->second;
    }
    pattern.first = static_cast<int64_t>(static_cast<double>(pattern.first) * config_.ratio);
    pattern.second = static_cast<int64_t>(static_cast<double>(pattern.second) * config_.ratio);
    return pattern;
  }

  // Blocks that a row block has to choose from, at most.
  static int64_t MostBlocks(const PlanInput& in) {
    const int64_t window = in.shape->window(in.layer);
    const int64_t all = CeilDiv(in.call_end, kSlashBlock);
    return window == 0 ? all : std::min(all, 1 + CeilDiv(window, kSlashBlock));
  }

  // Selections of all heads; empty if all are dense.
  std::vector<HeadSelection> Select(const PlanInput& in, bool keep_mass, ExecContext& ctx) const {
    std::vector<HeadSelection> heads(static_cast<size_t>(in.shape->heads));
    // A call of no more rows than estimate would cost as much to estimate as to attend.
    const bool estimates = in.call_end - in.call_begin > kEstimateRows;
    std::vector<int> lines, blocks;
    for (int h = 0; h < in.shape->heads; ++h) {
      const std::optional<HeadPattern> p = PatternOf(in.layer, h);
      HeadSelection& head = heads[static_cast<size_t>(h)];
      if (!estimates && !(p && p->type == HeadPatternType::kAShape)) continue;
      if (!p) {
        lines.push_back(h);
        head.kind = Kind::kVerticalSlash;
        continue;
      }
      switch (p->type) {
        case HeadPatternType::kAShape:
          if (p->second < in.call_end) {
            head.kind = Kind::kAShape;
            head.n_init = p->first;
            head.n_local = std::max<int64_t>(1, p->second);
          }
          break;
        case HeadPatternType::kBlockSparse:
          if (config_.top_k < MostBlocks(in)) blocks.push_back(h);
          break;
        case HeadPatternType::kVerticalSlash: {
          const LineCounts n = ClampLineCounts(p->first, p->second, in.call_end);
          if (n.columns < in.call_end && n.distances < in.call_end) {
            lines.push_back(h);
            head.kind = Kind::kVerticalSlash;
          }
          break;
        }
      }
    }
    if (!lines.empty()) SelectLines(in, lines, keep_mass, ctx, heads);
    if (!blocks.empty()) {
      std::vector<HeadSelection> selected = SelectBlocks(in, config_.top_k, blocks, ctx);
      for (size_t i = 0; i < blocks.size(); ++i) {
        heads[static_cast<size_t>(blocks[i])] = std::move(selected[i]);
      }
    }
    const bool dense = std::all_of(heads.begin(), heads.end(),
                                   [](const HeadSelection& h) { return h.kind == Kind::kDense; });
    return dense ? std::vector<HeadSelection>() : std::move(heads);
  }

  void SelectLines(const PlanInput& in, std::span<const int> of, bool keep_mass, ExecContext& ctx,
                   std::vector<HeadSelection>& heads) const {
    const TokenRange last = {in.call_end - kEstimateRows, in.call_end};
    std::vector<LineMass> mass = ComputeLineMass(in, last, RotatedQueries(in, last, ctx), ctx);
    ctx.threads().Run(static_cast<int64_t>(of.size()), [&](int64_t i, int) {
      const auto h = static_cast<size_t>(of[static_cast<size_t>(i)]);
      const std::optional<HeadPattern> p = PatternOf(in.layer, static_cast<int>(h));
      heads[h].lines = p ? ChooseLines(mass[h], ClampLineCounts(p->first, p->second, in.call_end))
                         : ChooseLinesByCoverage(mass[h], kEstimateRows, config_.coverage);
      if (keep_mass) heads[h].mass = std::move(mass[h]);
    });
  }

  static void PlanHead(const PlanInput& in, int h, const HeadSelection& s, AttentionPlan& plan) {
    switch (s.kind) {
      case Kind::kDense:
        return PlanDense(in, {h, h + 1}, plan);
      case Kind::kAShape:
        return PlanAShape(in, {h, h + 1}, {0, in.n_rows}, s.n_init, s.n_local, plan);
      case Kind::kVerticalSlash:
        return PlanLines(in, h, s.lines, plan);
      case Kind::kBlocks:
        return PlanBlockRows(in, h, kSlashBlock, {s.block_ptr, s.blocks}, plan);
    }
  }

  // Row blocks start at the call's first row. What a few of them share, the columns older than any
  // of their ranges, they attend together: more rows for each key read.
  static void PlanLines(const PlanInput& in, int h, const Lines& lines, AttentionPlan& plan) {
    constexpr int kBlocks = 4;
    constexpr auto kRows = static_cast<int>(kSlashBlock);
    const int list =
        plan.AddColumnList(h / in.shape->group(), KvPlane::kRotatedKeys, lines.columns);
    const auto add = [&](IndexRange rows) {
      plan.Add({.heads = {h, h + 1},
                .rows = rows,
                .mask = Mask::Causal(),
                .position = PositionRule::Absolute()});
    };
    std::array<std::vector<TokenRange>, kBlocks> ranges;
    for (int begin = 0; begin < in.n_rows; begin += kBlocks * kRows) {
      const int end = std::min(in.n_rows, begin + kBlocks * kRows);
      TokenPos oldest = in.first + begin;
      size_t b = 0;
      for (int row = begin; row < end; row += kRows, ++b) {
        SlashRanges(lines.distances, in.first + row + kRows, ranges[b]);
        oldest = std::min(oldest, ranges[b].front().begin);
      }
      add({begin, end});
      plan.UseColumnList(list, {0, oldest});
      b = 0;
      for (int row = begin; row < end; row += kRows, ++b) {
        const int stop = std::min(end, row + kRows);
        add({row, stop});
        for (const TokenRange& r : ranges[b]) {
          plan.AddSpan({r.begin, std::min<TokenPos>(r.end, in.first + stop)});
        }
        // Distance 0 is always chosen, so that what no range covers is older than the row block.
        plan.UseColumnList(list, {oldest, in.first + row});
      }
    }
  }

  MInferenceConfig config_;
};

}  // namespace

std::vector<HeadSelection> SelectBlocks(const PlanInput& in, int64_t top_k,
                                        std::span<const int> heads, ExecContext& ctx) {
  // The mean of a partial last block is taken over 64 rows as well: absent rows count as zeros. The
  // queries' own divisor does not change an order.
  const int dim = in.shape->head_dim;
  const TokenPos origin = in.call_begin / kSlashBlock * kSlashBlock;
  const std::vector<float> keys = SumKeyBlocks(in, kSlashBlock, in.call_end, ctx);
  const std::vector<float> queries = SumQueryBlocks(in, origin, kSlashBlock, ctx);
  const int64_t key_blocks = CeilDiv(in.call_end, kSlashBlock);
  const int64_t row_blocks = CeilDiv(in.call_end - origin, kSlashBlock);
  const int64_t window = in.shape->window(in.layer);
  constexpr float kForced = std::numeric_limits<float>::infinity();
  std::vector<HeadSelection> selections(heads.size());
  ctx.threads().Run(static_cast<int64_t>(heads.size()), [&](int64_t i, int) {
    const int h = heads[static_cast<size_t>(i)];
    HeadSelection& s = selections[static_cast<size_t>(i)];
    s.kind = Kind::kBlocks;
    s.block_ptr.push_back(0);
    std::vector<float> scores(static_cast<size_t>(key_blocks));
    std::vector<int32_t> top;
    for (int64_t row = 0; row < row_blocks; ++row) {
      const int64_t own = origin / kSlashBlock + row;
      // Of a sliding window only the row's own block is seen by all of its rows: it is taken first.
      const TokenPos first = std::max(in.call_begin, own * kSlashBlock);
      const int64_t oldest =
          window == 0 ? 0 : std::max<TokenPos>(0, first - window + 1) / kSlashBlock;
      const int64_t candidates = own + 1 - oldest;
      ctx.kernels().dot_rows(
          DType::kF32, keys.data() + (int64_t{h / in.shape->group()} * key_blocks + oldest) * dim,
          candidates, dim, queries.data() + (h * row_blocks + row) * dim, scores.data());
      if (window > 0) scores[static_cast<size_t>(candidates - 1)] = kForced;
      TopIndices(std::span(scores).first(static_cast<size_t>(candidates)), top_k, top);
      for (int32_t block : top) s.blocks.push_back(static_cast<int32_t>(oldest) + block);
      s.block_ptr.push_back(s.blocks.size());
    }
  });
  return selections;
}

std::unique_ptr<const AttentionMethod> MakeMInference(const MInferenceConfig& c) {
  return std::make_unique<MInference>(c);
}

void SetMInferenceObserver(MethodState& state, MInferenceObserver* observer) {
  static_cast<MInferenceState&>(state).observer = observer;
}

}  // namespace quarry
