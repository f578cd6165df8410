#include "attention/pattern_recall.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "attention/methods/vertical_slash.h"
#include "attention/select_top.h"
#include "base/checked_math.h"
#include "kernels/panel.h"

namespace quarry {
namespace {

using kernels::KeyPanel;
using kernels::kPanelTokens;
using kernels::kTilePanels;
using kernels::kTileTokens;

constexpr int64_t kRows = 64;   // queries of one piece of work
constexpr int64_t kBlock = 32;  // of block-sparse candidates
constexpr ForcedLines kForced = {30, 30};

constexpr PatternCandidate kCandidates[] = {
    {HeadPatternType::kAShape, 100, 800},         {HeadPatternType::kVerticalSlash, 30, 800},
    {HeadPatternType::kVerticalSlash, 100, 750},  {HeadPatternType::kVerticalSlash, 500, 700},
    {HeadPatternType::kVerticalSlash, 3500, 100}, {HeadPatternType::kBlockSparse, 8, 1}};

// A candidate's keys for one head, as factors 0 and 1: a key counts if its column or its distance
// does. Padded to whole tiles on both sides.
struct Keys {
  std::vector<float> column;    // [keys + tile]
  std::vector<float> diagonal;  // by key - query + keys - 1: [2 * keys + tile], 0 for the future
  // Block-sparse instead: [row blocks][key blocks].
  std::vector<float> blocks;
};

class RecallRun {
 public:
  RecallRun(const PlanInput& in, std::span<const PatternCandidate> candidates, TokenPos first_row,
            ExecContext& ctx)
      : in_(in),
        candidates_(candidates),
        first_row_(first_row),
        ctx_(ctx),
        n_(in.call_end),
        blocks_(CeilDiv(in.call_end, kBlock)) {}

  std::vector<std::vector<double>> Run() {
    const auto heads = static_cast<size_t>(in_.shape->heads);
    const TokenRange last = {std::max<TokenPos>(0, n_ - kEstimateRows), n_};
    mass_ = ComputeLineMass(in_, last, RotatedQueries(in_, last, ctx_), ctx_);
    const bool by_blocks = std::any_of(
        candidates_.begin(), candidates_.end(),
        [](const PatternCandidate& c) { return c.type == HeadPatternType::kBlockSparse; });
    if (by_blocks) {
      key_sums_ = SumKeyBlocks(in_, kBlock, n_, ctx_);
      query_sums_ = SumQueryBlocks(in_, 0, kBlock, ctx_);
    }
    keys_.resize(heads * candidates_.size());
    ctx_.threads().Run(static_cast<int64_t>(keys_.size()), [&](int64_t i, int) {
      const auto of = static_cast<int64_t>(candidates_.size());
      keys_[static_cast<size_t>(i)] =
          KeysOf(static_cast<int>(i / of), candidates_[static_cast<size_t>(i % of)]);
    });

    const int64_t pieces = CeilDiv(n_ - first_row_, kRows);
    std::vector<double> sums(keys_.size() * static_cast<size_t>(pieces), 0.0);
    ctx_.threads().Run(pieces * in_.shape->heads, [&](int64_t i, int worker) {
      Scratch::Scope scope(ctx_.scratch(worker));
      const auto head = static_cast<int>(i % in_.shape->heads);
      const int64_t piece = i / in_.shape->heads;
      Rows(head, first_row_ + piece * kRows, ctx_.scratch(worker),
           sums.data() +
               (piece * in_.shape->heads + head) * static_cast<int64_t>(candidates_.size()));
    });

    std::vector<std::vector<double>> recall(heads, std::vector<double>(candidates_.size(), 0.0));
    for (size_t i = 0; i < sums.size(); ++i) {
      recall[i / candidates_.size() % heads][i % candidates_.size()] +=
          sums[i] / static_cast<double>(n_ - first_row_);
    }
    return recall;
  }

 private:
  void SetDistance(Keys& keys, TokenPos d) const {
    if (d < n_) keys.diagonal[static_cast<size_t>(n_ - 1 - d)] = 1;
  }

  Keys KeysOf(int head, const PatternCandidate& c) const {
    Keys keys;
    if (c.type == HeadPatternType::kBlockSparse) {
      keys.blocks = BlocksOf(head, blocks_ / std::max<int64_t>(1, c.first));
      return keys;
    }
    keys.column.assign(static_cast<size_t>(n_ + kTileTokens), 0.0f);
    keys.diagonal.assign(static_cast<size_t>(2 * n_ + kTileTokens), 0.0f);
    if (c.type == HeadPatternType::kAShape) {
      std::fill_n(keys.column.begin(), std::min(c.first, n_), 1.0f);
      for (TokenPos d = 0; d <= std::min(c.second, n_); ++d) SetDistance(keys, d);
      return keys;
    }
    const Lines lines = ChooseLines(mass_[static_cast<size_t>(head)],
                                    {std::min(c.first, n_), std::min(c.second, n_)}, kForced);
    for (TokenPos t : lines.columns) keys.column[static_cast<size_t>(t)] = 1;
    for (TokenPos d : lines.distances) SetDistance(keys, d);
    return keys;
  }

  std::vector<float> BlocksOf(int head, int64_t count) const {
    const int dim = in_.shape->head_dim;
    std::vector<float> blocks(static_cast<size_t>(blocks_ * blocks_), 0.0f);
    std::vector<float> scores(static_cast<size_t>(blocks_));
    std::vector<int32_t> top;
    for (int64_t row = 0; row < blocks_; ++row) {
      ctx_.kernels().dot_rows(
          DType::kF32, key_sums_.data() + head / in_.shape->group() * blocks_ * dim, row + 1, dim,
          query_sums_.data() + (head * blocks_ + row) * dim, scores.data());
      TopIndices(std::span(scores).first(static_cast<size_t>(row + 1)), count, top);
      for (int32_t c : top) blocks[static_cast<size_t>(row * blocks_ + c)] = 1;
    }
    return blocks;
  }

  // Adds what the queries of 64 rows, or as many as are left, give each candidate's keys.
  void Rows(int head, TokenPos first, Scratch& scratch, double* sums) const {
    const int dim = in_.shape->head_dim;
    const int64_t window = in_.shape->window(in_.layer);
    const auto rows = static_cast<int>(std::min(kRows, n_ - first));
    const TokenPos end = first + rows;
    const auto n_panels = static_cast<int>(CeilDiv(end, kPanelTokens));
    const int tiles = static_cast<int>(CeilDiv(n_panels, kTilePanels));
    auto take = [&](int64_t n) { return scratch.Take<float>(static_cast<size_t>(n)).data(); };

    float* q = take(int64_t{rows} * dim);
    int32_t* lo = scratch.Take<int32_t>(static_cast<size_t>(rows)).data();
    int32_t* hi = scratch.Take<int32_t>(static_cast<size_t>(rows)).data();
    float* m = take(rows);
    float* d = take(rows);
    for (int r = 0; r < rows; ++r) {
      const int64_t at = first + r - in_.call_begin;
      const int64_t angle = at * in_.rope->pairs();
      in_.rope->Rotate(ctx_.kernels(), in_.q + at * in_.q_stride + head * dim, in_.cos + angle,
                       in_.sin + angle, q + r * dim);
      lo[r] = window == 0 ? 0 : static_cast<int32_t>(std::max<TokenPos>(0, first + r + 1 - window));
      hi[r] = static_cast<int32_t>(first + r + 1);
      m[r] = -std::numeric_limits<float>::infinity();
      d[r] = 0;
    }
    auto panels = scratch.Take<KeyPanel>(static_cast<size_t>(n_panels));
    for (int p = 0; p < n_panels; ++p) {
      panels[static_cast<size_t>(p)] = {
          in_.kv->panel(in_.layer, KvPlane::kRotatedKeys, head / in_.shape->group(), p), nullptr,
          p * kPanelTokens, 0xffffu};
    }
    float* weights = take(int64_t{tiles} * rows * kTileTokens);
    float* tile_max = take(int64_t{tiles} * rows);
    ctx_.kernels().attend({.dtype = in_.kv_dtype,
                           .head_dim = dim,
                           .rows = rows,
                           .q = q,
                           .lo = lo,
                           .hi = hi,
                           .panels = panels.data(),
                           .n_panels = n_panels,
                           .scale = SoftmaxScale(dim),
                           .m = m,
                           .d = d,
                           .o = nullptr,
                           .weights = weights,
                           .tile_max = tile_max,
                           .scratch = take(ctx_.kernels().attend_scratch_floats(rows, dim))});
    for (int t = 0; t < tiles; ++t) {
      for (int r = 0; r < rows; ++r) {
        const int64_t slot = int64_t{t} * rows + r;
        const float* w = weights + slot * kTileTokens;
        const double factor = std::exp(static_cast<double>(tile_max[slot] - m[r])) / d[r];
        for (size_t c = 0; c < candidates_.size(); ++c) {
          const Keys& keys = keys_[static_cast<size_t>(head) * candidates_.size() + c];
          sums[c] += factor * TileSum(keys, w, first + r, t * int64_t{kTileTokens});
        }
      }
    }
  }

  // Weights of one row and tile that fall on the candidate's keys.
  double TileSum(const Keys& keys, const float* w, TokenPos row, TokenPos key) const {
    if (!keys.blocks.empty()) {
      const float* in_row = keys.blocks.data() + row / kBlock * blocks_;
      double sum = 0;
      for (int64_t b = 0; b < kTileTokens / kBlock && key / kBlock + b < blocks_; ++b) {
        if (in_row[key / kBlock + b] == 0) continue;
        for (int64_t i = 0; i < kBlock; ++i) sum += static_cast<double>(w[b * kBlock + i]);
      }
      return sum;
    }
    // Sixteen sums side by side, which a compiler may put into vectors.
    const float* column = keys.column.data() + key;
    const float* diagonal = keys.diagonal.data() + (key - row + n_ - 1);
    std::array<float, 16> lanes{};
    for (size_t i = 0; i < kTileTokens; i += lanes.size()) {
      for (size_t l = 0; l < lanes.size(); ++l) {
        lanes[l] += w[i + l] * std::max(column[i + l], diagonal[i + l]);
      }
    }
    double sum = 0;
    for (float x : lanes) sum += static_cast<double>(x);
    return sum;
  }

  const PlanInput& in_;
  const std::span<const PatternCandidate> candidates_;
  const TokenPos first_row_;
  ExecContext& ctx_;
  const TokenPos n_;
  const int64_t blocks_;
  std::vector<LineMass> mass_;
  std::vector<float> key_sums_, query_sums_;
  std::vector<Keys> keys_;  // [heads][candidates]
};

}  // namespace

std::span<const PatternCandidate> RecallCandidates() { return kCandidates; }

std::vector<std::vector<double>> PatternRecall(const PlanInput& in,
                                               std::span<const PatternCandidate> candidates,
                                               TokenPos first_row, ExecContext& ctx) {
  return RecallRun(in, candidates, first_row, ctx).Run();
}

HeadPattern ChooseByRecall(std::span<const PatternCandidate> candidates,
                           std::span<const double> recall, bool keep_patterns) {
  size_t best = 0;
  for (size_t i = 1; i < recall.size(); ++i) {
    if (recall[i] > recall[best]) best = i;
  }
  HeadPattern p = {candidates[best].type, candidates[best].first, candidates[best].second,
                   recall[best], false};
  if (keep_patterns || p.type == HeadPatternType::kVerticalSlash) return p;
  if (p.type == HeadPatternType::kBlockSparse) {
    p.first = 1000;
    p.second = 6096;
  }
  p.type = HeadPatternType::kVerticalSlash;
  return p;
}

}  // namespace quarry
