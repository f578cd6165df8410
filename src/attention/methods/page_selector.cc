#include "attention/methods/page_selector.h"

#include <algorithm>

#include "base/checked_math.h"

namespace quarry {
namespace {

// Panels of pages that a thread scores at once.
constexpr int64_t kPanelsPerPiece = 32;

}  // namespace

PageBounds BoundPages(const QuestPages& pages, const ModelShape& shape, const float* q,
                      int64_t first, int64_t end, ExecContext& ctx) {
  const int dim = shape.head_dim;
  const int group = shape.group();
  const auto width = static_cast<size_t>(shape.heads * dim);
  const int64_t skip = first / QuestPages::kPagesPerPanel;
  const int64_t panels = CeilDiv(end, QuestPages::kPagesPerPanel) - skip;
  const int64_t stride = (skip + panels) * QuestPages::kPagesPerPanel;
  float* scores = ctx.scratch().Take<float>(static_cast<size_t>(shape.heads * stride)).data();
  float* up = ctx.scratch().Take<float>(width).data();
  float* down = ctx.scratch().Take<float>(width).data();
  for (size_t i = 0; i < width; ++i) {
    up[i] = std::max(q[i], 0.0f);
    down[i] = std::min(q[i], 0.0f);
  }
  const int64_t cuts = CeilDiv(panels, kPanelsPerPiece);
  ctx.threads().Run(cuts * shape.kv_heads, [&](int64_t piece, int) {
    const int head = static_cast<int>(piece % shape.kv_heads);
    const Slice cut = SliceOf(panels, cuts, piece / shape.kv_heads);
    pages.Bounds({.kv_head = head,
                  .rows = group,
                  .up = up + head * group * dim,
                  .down = down + head * group * dim,
                  .panel_begin = skip + cut.begin,
                  .panel_end = skip + cut.end},
                 ctx.kernels(), scores + head * group * stride, stride);
  });
  return {scores, stride};
}

PageBounds UnitScores(const PageBounds& bounds, const ModelShape& shape, QuestGroup group,
                      int64_t first, int64_t n, ExecContext& ctx) {
  const int units = PageUnits(shape, group);
  const int heads = shape.heads / units;
  if (heads == 1) return bounds;
  const int64_t stride = bounds.stride;
  float* out = ctx.scratch().Take<float>(static_cast<size_t>(units * stride)).data();
  ctx.threads().Run(units, [&](int64_t unit, int) {
    const float* from = bounds.scores + unit * heads * stride + first;
    float* to = out + unit * stride + first;
    std::copy_n(from, n, to);
    for (int h = 1; h < heads; ++h) {
      const float* next = from + h * stride;
      if (group == QuestGroup::kMean) {
        ctx.kernels().add(next, n, to);
      } else {
        for (int64_t i = 0; i < n; ++i) to[i] = std::max(to[i], next[i]);
      }
    }
  });
  return {out, stride};
}

void BestPages(const PageBounds& scores, int64_t unit, int64_t first, int64_t n, int64_t k,
               ExecContext& ctx, int32_t* out) {
  if (k == 0) return;
  ctx.kernels().top_k(scores.scores + unit * scores.stride + first, n, k, out);
  for (int64_t i = 0; i < k; ++i) out[i] += static_cast<int32_t>(first);
}

}  // namespace quarry
