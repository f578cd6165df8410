// How well the blocks of a context memory match a query vector: one scan over the stored
// representatives, split between threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/attention_config.h"
#include "quarry/types.h"

#include "kv/row_store.h"
#include "ops/exec_context.h"

namespace quarry {

struct RelevanceQuery {
  const RowStore* rows = nullptr;  // representatives, elements of `dtype`
  DType dtype = DType::kBF16;
  int64_t n = 0;                    // the first n rows are candidates
  int64_t offset = 0;               // elements [offset, offset + y.size()) of each row count
  std::span<const float> y;         // the query vector
  std::span<const float> question;  // empty, or as long as y
  double question_weight = 0;
  BlockSimilarity similarity = BlockSimilarity::kDot;
};

// scores[j] = similarity(row j, y) + question_weight * (row j . question), j < n.
void ScoreBlocks(const RelevanceQuery& query, ExecContext& ctx, std::span<float> scores);

// The k candidates of highest score, best first; equal scores: the lower index first. NaN counts as
// lowest.
void TopBlocks(std::span<const float> scores, int64_t k, std::vector<int64_t>& out);

}  // namespace quarry
