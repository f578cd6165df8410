// The kernel table: plain functions over raw memory, one set per instruction set. Chosen once (see
// dispatch.h); callers never branch on the instruction set themselves.
//
// Kernels cannot fail and allocate nothing. Lengths need not be multiples of a vector width unless
// said. No alignment is required unless said. Sums are accumulated in f32; the order differs
// between sets, so results agree within rounding only.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/panel.h"
#include "kernels/quant_panel.h"
#include "tensor/dtype.h"

namespace quarry::kernels {

// Attention works through the panels in tiles of four.
inline constexpr int kTilePanels = 4;
inline constexpr int kTileTokens = kTilePanels * kPanelTokens;

// Softmax attention of `rows` query rows over `n_panels` panels, added to a running partial:
//   m[rows]                  largest scaled score so far (-inf if none), natural base
//   d[rows]                  sum of exp(score - m)
//   o[rows][value_stride]    sum of exp(score - m) * value
// Row r sees the token at position t of a panel iff its lane bit is set and lo[r] <= t < hi[r]
// (panels without a position: iff its lane bit is set).
struct AttendArgs {
  DType dtype;   // of the panels
  int head_dim;  // multiple of 8, at most 256
  int rows;
  const float* q;  // [rows][head_dim]
  const int32_t* lo;
  const int32_t* hi;
  const KeyPanel* panels;
  int n_panels;
  float scale;  // score = scale * (q . k)
  float* m;
  float* d;
  float* o;  // null: m, d and weights only; values are not read
  // If not null: [tiles][rows][kTileTokens], exp(score - tile_max) of every token, 0 where masked,
  // and [tiles][rows], the m that was in force; with the final m and d they give probabilities
  // exp(tile_max - m) / d * value. tiles = ceil(n_panels / kTilePanels).
  float* weights;
  float* tile_max;
  float* scratch;  // attend_scratch_floats(rows, head_dim), 64-byte aligned
  // Queries, keys, values and weights may be rounded to bf16 where that is the faster arithmetic.
  bool may_round = false;
};

// y[row][n] for one or more 64-column panels of a packed weight matrix (ops/packed_matrix.h).
struct GemvArgs {
  const void* w;  // panels one after the other: f32 or f16 [k][64], bf16 [k / 2][64][2]
  int64_t k;      // even
  int64_t n_panels;
  const float* x;  // [rows][x_stride]
  int64_t x_stride;
  int rows;  // 1 to kGemvRows
  float* y;  // [rows][y_stride], 64 * n_panels columns are written
  int64_t y_stride;
};
inline constexpr int kGemvRows = 4;
inline constexpr int kWeightPanel = 64;

// The same for one panel of quantised weights (quant_panel.h): products of 8-bit inputs and codes
// summed as integers per group, scaled in f32.
struct GemvQuantArgs {
  WeightType type;
  const void* w;
  int64_t k;            // a multiple of the type's block
  const InputGroup* x;  // [rows][x_stride], k / 32 groups each
  int64_t x_stride;
  int rows;  // 1 to kGemvRows
  float* y;  // [rows][y_stride], 64 columns are written
  int64_t y_stride;
};

// Linear forms over the channels of 16 pages at once: for every query row r and lane i
//   scores[r * stride + i] = sum over d of up[r][d] * high[d][i] + down[r][d] * low[d][i]
// With up = max(q, 0) and down = min(q, 0) that is the largest q . k of any key between low and
// high, channel by channel.
struct PageBoundArgs {
  DType dtype;      // of the panels
  int head_dim;     // multiple of 8
  int rows;         // query rows
  const float* up;  // [rows][head_dim]
  const float* down;
  const void* high;  // a key panel whose lanes are pages: per channel, the largest key
  const void* low;   // the smallest
  float* scores;     // all 16 lanes are written
  int64_t stride;
  // Panels of a later call, fetched meanwhile; these again where there is none.
  const void* ahead_high;
  const void* ahead_low;
};

struct KernelTable {
  std::string_view isa;
  // Whether products on this set are faster with bf16 operands than with f32 ones. Attention over
  // bf16 panels then rounds queries and weights, too, whatever may_round says.
  bool prefers_bf16;

  // Attention.

  void (*attend)(const AttendArgs&);
  int64_t (*attend_scratch_floats)(int rows, int head_dim);
  // out[j] += sum over r of weights[r][j] * row_scale[r], j < kTileTokens.
  void (*column_sums)(const float* weights, const float* row_scale, int rows, float* out);
  // The same along diagonals: out[j - r + rows - 1] += weights[r][j] * row_scale[r]; kTileTokens +
  // rows - 1 sums.
  void (*diagonal_sums)(const float* weights, const float* row_scale, int rows, float* out);
  // Writes n tokens ([n][stride], f32) into lanes [lane, lane + n) of one panel, lane + n <= 16.
  void (*pack_keys)(DType, const float* rows, int64_t stride, int n, int head_dim, int lane,
                    void* panel);
  void (*pack_values)(DType, const float* rows, int64_t stride, int n, int head_dim, int lane,
                      void* panel);
  // scores[i] = rows[i] . x for n rows of `dim` elements, one after the other. Not for kI8.
  void (*dot_rows)(DType, const void* rows, int64_t n, int64_t dim, const float* x, float* scores);

  // Selection.

  // low[d] = min(low[d], key), high[d] = max(high[d], key) over lanes [begin, end) of a key panel.
  void (*key_range)(DType, const void* panel, int head_dim, int begin, int end, float* low,
                    float* high);
  void (*page_bounds)(const PageBoundArgs&);
  // Indices of the k largest of n scores, ascending. Of equal scores the lower index comes first;
  // NaN ranks below everything. 0 <= k <= n < 2^31.
  void (*top_k)(const float* scores, int64_t n, int64_t k, int32_t* out);

  // Linear layers.

  void (*gemv_f32)(const GemvArgs&);
  void (*gemv_f16)(const GemvArgs&);
  void (*gemv_bf16)(const GemvArgs&);
  // One weight panel, f16 [k][64] or bf16 [k / 2][64][2], to f32 [k][64] with rows out_stride
  // apart.
  void (*unpack_f16)(const void* panel, int64_t k, float* out, int64_t out_stride);
  void (*unpack_bf16)(const void* panel, int64_t k, float* out, int64_t out_stride);
  // x[k] to 8 bits, each 32 with the scale that makes the largest magnitude 127; k a multiple
  // of 32.
  void (*quantize_inputs)(const float* x, int64_t k, InputGroup* out);
  void (*gemv_quant)(const GemvQuantArgs&);
  // One quantised panel to f32 [k][64] with rows out_stride apart, exactly; and to a bf16 panel
  // [k / 2][64][2], rounded to nearest even.
  void (*unpack_quant)(WeightType, const void* panel, int64_t k, float* out, int64_t out_stride);
  void (*unpack_quant_bf16)(WeightType, const void* panel, int64_t k, BFloat16* out);

  // Rows of f32.

  // out = x / sqrt(mean(x^2) + eps) * w. out may be x.
  void (*rms_norm)(const float* x, const float* w, int64_t n, float eps, float* out);
  // Rotates pairs (x[i], x[i + half]): out = (a cos - b sin, b cos + a sin). out may be x.
  void (*rotate_halves)(const float* x, const float* cos, const float* sin, int64_t half,
                        float* out);
  // out = silu(gate) * up. out may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* out);
  // y += x
  void (*add)(const float* x, int64_t n, float* y);
  // f32 to a 16-bit type, ties to even, and back; kF32 copies. Not for kI8.
  void (*narrow)(DType, const float* x, int64_t n, void* out);
  void (*widen)(DType, const void* x, int64_t n, float* out);

  // What this core can do at most.

  // `rounds` rounds of independent multiply-adds in registers; returns the FLOPs done. peak_bf16 is
  // null where there is no bf16 dot-product instruction.
  double (*peak_f32)(int64_t rounds);
  double (*peak_bf16)(int64_t rounds);
  // Reads `bytes` (a multiple of 512, 64-byte aligned) and returns something that depends on them.
  uint64_t (*read_all)(const void* data, int64_t bytes);
};

}  // namespace quarry::kernels
