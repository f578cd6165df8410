#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels::scalar {
namespace {

constexpr int kMaxHeadDim = 256;

// Scores of one row over one tile; -inf where the row does not see the token.
void TileScores(const AttendArgs& a, int row, const KeyPanel* panels, int n, float* scores) {
  const float* q = a.q + static_cast<int64_t>(row) * a.head_dim;
  std::fill(scores, scores + kTileTokens, -std::numeric_limits<float>::infinity());
  for (int p = 0; p < n; ++p) {
    for (int lane = 0; lane < kPanelTokens; ++lane) {
      const int32_t t = panels[p].first + lane;
      const bool inside = panels[p].first < 0 || (t >= a.lo[row] && t < a.hi[row]);
      if (!inside || !(panels[p].lanes >> lane & 1u)) continue;
      float sum = 0;
      for (int i = 0; i < a.head_dim; ++i) {
        sum += q[i] * LoadKey(a.dtype, panels[p].keys, a.head_dim, lane, i);
      }
      scores[p * kPanelTokens + lane] = sum * a.scale;
    }
  }
}

// Adds one tile to the row's partial; scores become weights.
void AddTile(const AttendArgs& a, int row, const KeyPanel* panels, int n, float* scores) {
  const int stride = ValueStride(a.head_dim);
  const float top = *std::max_element(scores, scores + kTileTokens);
  const float m = std::max(a.m[row], top);
  if (m == -std::numeric_limits<float>::infinity()) {  // nothing seen yet, nor now
    std::fill(scores, scores + kTileTokens, 0.0f);
    return;
  }
  const float rescale = std::exp(a.m[row] - m);
  a.m[row] = m;
  // A tile's sums by themselves: added one by one to what thousands of keys left in d and o, terms
  // would lose more bits.
  float total = 0;
  float sum[kMaxHeadDim] = {};
  for (int j = 0; j < kTileTokens; ++j) {
    scores[j] = std::exp(scores[j] - m);
    total += scores[j];
    if (a.o == nullptr || scores[j] == 0 || j / kPanelTokens >= n) continue;
    const KeyPanel& panel = panels[j / kPanelTokens];
    for (int i = 0; i < a.head_dim; ++i) {
      sum[i] += scores[j] * LoadValue(a.dtype, panel.values, a.head_dim, j % kPanelTokens, i);
    }
  }
  a.d[row] = a.d[row] * rescale + total;
  if (a.o == nullptr) return;
  float* o = a.o + static_cast<int64_t>(row) * stride;
  for (int i = 0; i < a.head_dim; ++i) o[i] = o[i] * rescale + sum[i];
}

}  // namespace

int64_t AttendScratchFloats(int, int) { return 0; }

void Attend(const AttendArgs& a) {
  float local[kTileTokens];
  for (int begin = 0, tile = 0; begin < a.n_panels; begin += kTilePanels, ++tile) {
    const int n = std::min(kTilePanels, a.n_panels - begin);
    for (int row = 0; row < a.rows; ++row) {
      const int64_t slot = static_cast<int64_t>(tile) * a.rows + row;
      float* scores = a.weights == nullptr ? local : a.weights + slot * kTileTokens;
      TileScores(a, row, a.panels + begin, n, scores);
      AddTile(a, row, a.panels + begin, n, scores);
      if (a.weights != nullptr) a.tile_max[slot] = a.m[row];
    }
  }
}

void ColumnSums(const float* weights, const float* row_scale, int rows, float* out) {
  for (int r = 0; r < rows; ++r) {
    for (int j = 0; j < kTileTokens; ++j) out[j] += weights[r * kTileTokens + j] * row_scale[r];
  }
}

void DiagonalSums(const float* weights, const float* row_scale, int rows, float* out) {
  for (int r = 0; r < rows; ++r) {
    for (int j = 0; j < kTileTokens; ++j) {
      out[j - r + rows - 1] += weights[r * kTileTokens + j] * row_scale[r];
    }
  }
}

void PackKeys(DType type, const float* rows, int64_t stride, int n, int head_dim, int lane,
              void* panel) {
  if (type == DType::kI8) return PackInt8Keys(rows, stride, n, head_dim, lane, panel);
  for (int t = 0; t < n; ++t) {
    for (int i = 0; i < head_dim; ++i) {
      StoreElement(type, panel, KeyIndex(type, lane + t, i), rows[t * stride + i]);
    }
  }
}

void PackValues(DType type, const float* rows, int64_t stride, int n, int head_dim, int lane,
                void* panel) {
  if (type == DType::kI8) return PackInt8Values(rows, stride, n, head_dim, lane, panel);
  const int value_stride = ValueStride(head_dim);
  for (int t = 0; t < n; ++t) {
    for (int i = 0; i < head_dim; ++i) {
      StoreElement(type, panel, ValueIndex(type, value_stride, lane + t, i), rows[t * stride + i]);
    }
  }
}

void DotRows(DType type, const void* rows, int64_t n, int64_t dim, const float* x, float* scores) {
  for (int64_t r = 0; r < n; ++r) {
    float sum = 0;
    for (int64_t i = 0; i < dim; ++i) {
      sum += LoadElement(type, rows, static_cast<size_t>(r * dim + i)) * x[i];
    }
    scores[r] = sum;
  }
}

}  // namespace quarry::kernels::scalar
