#include "attention/methods/block_relevance.h"

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "tensor/dtype.h"

namespace quarry {
namespace {

// Sums over one row that the similarities are made of, in double: the row counts thousands of
// elements and the measures subtract them from each other.
struct Moments {
  double xy = 0, xx = 0, yy = 0, x = 0, y = 0;
};

double Similarity(BlockSimilarity kind, const Moments& m, double n) {
  const double nx = std::sqrt(m.xx), ny = std::sqrt(m.yy);
  const double distance = std::sqrt(std::max(0.0, m.xx + m.yy - 2 * m.xy));
  const double cosine = nx > 0 && ny > 0 ? m.xy / (nx * ny) : 0;
  switch (kind) {
    case BlockSimilarity::kDot:
      return m.xy;
    case BlockSimilarity::kCosine:
      return cosine;
    case BlockSimilarity::kL2:
      return -distance;
    case BlockSimilarity::kNormalizedL2:
      return -distance / (nx + ny + 1e-6);
    case BlockSimilarity::kDotMinusL2:
      return m.xy - distance;
    case BlockSimilarity::kAngular:
      return -std::acos(std::clamp(cosine, -1 + 1e-6, 1 - 1e-6));
    case BlockSimilarity::kPearson: {
      const double covariance = m.xy - m.x * m.y / n;
      const double sx = std::sqrt(std::max(0.0, m.xx / n - m.x * m.x / (n * n)));
      const double sy = std::sqrt(std::max(0.0, m.yy / n - m.y * m.y / (n * n)));
      return covariance / (sx * sy * n + 1e-6);
    }
  }
  return 0;
}

float RowScore(const RelevanceQuery& q, const std::byte* row) {
  Moments m;
  double question = 0;
  for (size_t i = 0; i < q.y.size(); ++i) {
    const size_t at = static_cast<size_t>(q.offset) + i;
    const auto x = static_cast<double>(LoadElement(q.dtype, row, at));
    const double y = q.y[i];
    m.xy += x * y;
    m.xx += x * x;
    m.yy += y * y;
    m.x += x;
    m.y += y;
    if (!q.question.empty()) question += x * static_cast<double>(q.question[i]);
  }
  return static_cast<float>(Similarity(q.similarity, m, static_cast<double>(q.y.size())) +
                            q.question_weight * question);
}

}  // namespace

void ScoreBlocks(const RelevanceQuery& q, ExecContext& ctx, std::span<float> scores) {
  // A dot product is linear, so that the question joins the query vector and one scan serves both.
  std::vector<float> combined;
  const bool dot = q.similarity == BlockSimilarity::kDot;
  if (dot) {
    combined.assign(q.y.begin(), q.y.end());
    for (size_t i = 0; i < q.question.size(); ++i) {
      combined[i] += static_cast<float>(q.question_weight) * q.question[i];
    }
  }
  const auto width = static_cast<int64_t>(q.y.size());
  const bool whole_rows = q.rows->row_bytes() == q.y.size() * SizeOf(q.dtype);
  constexpr int64_t kRun = 128;
  static_assert(RowStore::kRowsPerSlab % kRun == 0);
  ctx.threads().Run(CeilDiv(q.n, kRun), [&](int64_t piece, int) {
    const int64_t begin = piece * kRun;
    const int64_t end = std::min(q.n, begin + kRun);
    if (dot && whole_rows) {
      ctx.kernels().dot_rows(q.dtype, q.rows->row(begin), end - begin, width, combined.data(),
                             scores.data() + begin);
      return;
    }
    for (int64_t j = begin; j < end; ++j) {
      float& score = scores[static_cast<size_t>(j)];
      if (dot) {
        ctx.kernels().dot_rows(q.dtype,
                               q.rows->row(j) + static_cast<size_t>(q.offset) * SizeOf(q.dtype), 1,
                               width, combined.data(), &score);
      } else {
        score = RowScore(q, q.rows->row(j));
      }
    }
  });
}

void TopBlocks(std::span<const float> scores, int64_t k, std::vector<int64_t>& out) {
  // A heap of the best k so far, worst on top. Candidates come in ascending order, so that one that
  // only equals the worst loses.
  const auto value = [&](int64_t i) {
    const float s = scores[static_cast<size_t>(i)];
    return std::isnan(s) ? -INFINITY : s;
  };
  const auto better = [&](int64_t a, int64_t b) {
    return value(a) > value(b) || (value(a) == value(b) && a < b);
  };
  out.clear();
  for (int64_t i = 0; i < static_cast<int64_t>(scores.size()); ++i) {
    if (static_cast<int64_t>(out.size()) < k) {
      out.push_back(i);
      std::push_heap(out.begin(), out.end(), better);
    } else if (value(i) > value(out.front())) {
      std::pop_heap(out.begin(), out.end(), better);
      out.back() = i;
      std::push_heap(out.begin(), out.end(), better);
    }
  }
  std::sort_heap(out.begin(), out.end(), better);
}

}  // namespace quarry
