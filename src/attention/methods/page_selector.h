// Ranking pages by their bounds: what Quest and InfQuest share.
#pragma once

#include <cstdint>
#include <vector>

#include "quarry/attention_config.h"

#include "attention/methods/quest_pages.h"
#include "ops/exec_context.h"
#include "tensor/model_shape.h"

namespace quarry {

// Scores of pages for every query head, or for every unit: [heads or units][stride], page p at p.
struct PageBounds {
  const float* scores = nullptr;
  int64_t stride = 0;
};

// Bounds of pages [first, end), spread over the pool; what lies before them is not written. `q`:
// [heads][head_dim], rotated as it is to meet the pages' keys. The result lies in ctx.scratch(), in
// the caller's scope.
PageBounds BoundPages(const QuestPages& pages, const ModelShape& shape, const float* q,
                      int64_t first, int64_t end, ExecContext& ctx);

// Query heads with a list of their own: all of them, or one for a KV head.
inline int PageUnits(const ModelShape& shape, QuestGroup group) {
  return group == QuestGroup::kPerHead ? shape.heads : shape.kv_heads;
}

// What the query heads of a unit agree on, for pages [first, first + n): the bounds themselves
// where every head is a unit, otherwise their mean up to a factor, or the largest. In
// ctx.scratch(), too.
PageBounds UnitScores(const PageBounds& bounds, const ModelShape& shape, QuestGroup group,
                      int64_t first, int64_t n, ExecContext& ctx);

// The k best of pages [first, first + n) for `unit`, ascending, into out[0, k).
void BestPages(const PageBounds& scores, int64_t unit, int64_t first, int64_t n, int64_t k,
               ExecContext& ctx, int32_t* out);

}  // namespace quarry
