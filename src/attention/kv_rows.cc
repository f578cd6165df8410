#include "attention/kv_rows.h"

#include <algorithm>

#include "base/checked_math.h"
#include "kernels/panel.h"
#include "tensor/dtype.h"

namespace quarry {
namespace {

using kernels::kPanelTokens;
static_assert(kTokensPerPanel == kPanelTokens);

bool Stored(const KvStore& kv, KvPlane plane) {
  return kv.layout().rules[static_cast<size_t>(plane)].stored;
}

// Rounds a row of a head, n <= 256, to what storing it as `dtype` leaves.
void RoundTo(DType dtype, const kernels::KernelTable& table, int n, float* x) {
  if (dtype == DType::kF32) return;
  if (dtype == DType::kI8) {
    for (int i = 0; i < n; i += kernels::kScaleBlock) {
      int8_t q[kernels::kScaleBlock];
      const int channels = std::min(kernels::kScaleBlock, n - i);
      const float scale = ToFloat(kernels::QuantizeBlock(x + i, channels, q));
      for (int c = 0; c < channels; ++c) x[i + c] = static_cast<float>(q[c]) * scale;
    }
    return;
  }
  uint16_t narrow[256];
  table.narrow(dtype, x, n, narrow);
  table.widen(dtype, narrow, n, x);
}

// Calls f(panel index, first row, rows, first lane) for the panels that rows [0, n) at positions
// first, first + 1, ... fall into.
template <typename F>
void ForEachPanel(TokenPos first, int64_t n, F f) {
  for (int64_t row = 0; row < n;) {
    const TokenPos t = first + row;
    const int lane = static_cast<int>(t % kPanelTokens);
    const int64_t count = std::min<int64_t>(kPanelTokens - lane, n - row);
    f(t / kPanelTokens, row, static_cast<int>(count), lane);
    row += count;
  }
}

// Writes rotated keys of the tokens anew from the raw ones, in every layer.
void RebuildRotated(KvStore& kv, const ModelShape& shape, DType dtype, const Rope& rope,
                    TokenRange range, ExecContext& ctx) {
  const int dim = shape.head_dim;
  const auto half = static_cast<size_t>(rope.pairs());
  Scratch::Scope scope(ctx.scratch());
  float* row = ctx.scratch().Take<float>(static_cast<size_t>(dim)).data();
  float* cos = ctx.scratch().Take<float>(half).data();
  float* sin = ctx.scratch().Take<float>(half).data();
  for (TokenPos t = range.begin; t < range.end; ++t) {
    rope.Angles(t, 1, cos, sin);
    for (int layer = 0; layer < shape.layers; ++layer) {
      for (int head = 0; head < shape.kv_heads; ++head) {
        ReadKey(kv, layer, KvPlane::kRawKeys, head, t, dtype, dim, row);
        rope.Rotate(ctx.kernels(), row, cos, sin, row);
        ctx.kernels().pack_keys(
            dtype, row, dim, 1, dim, static_cast<int>(t % kPanelTokens),
            kv.mutable_panel(layer, KvPlane::kRotatedKeys, head, t / kPanelTokens));
      }
    }
  }
}

}  // namespace

KvLayout MakeKvLayout(const ModelShape& shape, DType dtype,
                      const std::array<PlaneRule, kKvPlanes>& rules) {
  const size_t keys = kernels::KeyPanelBytes(dtype, shape.head_dim);
  const size_t values = kernels::ValuePanelBytes(dtype, shape.head_dim);
  return {shape.layers, shape.kv_heads, {keys, keys, values}, rules};
}

void AppendRows(KvStore& kv, int layer, const ModelShape& shape, DType dtype, const Rope& rope,
                const NewRows& rows, ExecContext& ctx) {
  const kernels::KernelTable& kernels = ctx.kernels();
  const int dim = shape.head_dim;
  const bool raw = Stored(kv, KvPlane::kRawKeys);
  const bool rotated = Stored(kv, KvPlane::kRotatedKeys);
  // Pieces of whole blocks per head: writers never meet in a panel.
  const TokenPos first_block = rows.first / kTokensPerBlock;
  const int64_t blocks = CeilDiv(rows.first + rows.n, kTokensPerBlock) - first_block;

  ctx.threads().Run(blocks * shape.kv_heads, [&](int64_t piece, int worker) {
    const int head = static_cast<int>(piece % shape.kv_heads);
    const TokenPos begin =
        std::max(rows.first, (first_block + piece / shape.kv_heads) * kTokensPerBlock);
    const TokenPos end =
        std::min(rows.first + rows.n, (first_block + piece / shape.kv_heads + 1) * kTokensPerBlock);
    Scratch::Scope scope(ctx.scratch(worker));
    float* row = ctx.scratch(worker).Take<float>(static_cast<size_t>(dim * kPanelTokens)).data();

    const int64_t offset = (begin - rows.first) * rows.stride + head * dim;
    ForEachPanel(begin, end - begin, [&](int64_t panel, int64_t at, int n, int lane) {
      const float* k = rows.keys + offset + at * rows.stride;
      const float* v = rows.values + offset + at * rows.stride;
      kernels.pack_values(dtype, v, rows.stride, n, dim, lane,
                          kv.mutable_panel(layer, KvPlane::kValues, head, panel));
      if (raw) {
        kernels.pack_keys(dtype, k, rows.stride, n, dim, lane,
                          kv.mutable_panel(layer, KvPlane::kRawKeys, head, panel));
      }
      if (!rotated) return;
      for (int i = 0; i < n; ++i) {
        float* r = row + i * dim;
        std::copy(k + i * rows.stride, k + i * rows.stride + dim, r);
        if (raw) RoundTo(dtype, kernels, dim, r);
        const int64_t angle = (begin - rows.first + at + i) * rope.pairs();
        rope.Rotate(kernels, r, rows.cos + angle, rows.sin + angle, r);
      }
      kernels.pack_keys(dtype, row, dim, n, dim, lane,
                        kv.mutable_panel(layer, KvPlane::kRotatedKeys, head, panel));
    });
  });
}

Result<bool> TruncateRows(KvStore& kv, const ModelShape& shape, DType dtype, const Rope& rope,
                          TokenPos n, ExecContext& ctx) {
  TokenRange window = kv.MissingAfterTruncate(KvPlane::kRotatedKeys, n);
  // Blocks come back whole: the next cut may reach behind this window.
  if (!window.empty()) window.begin -= window.begin % kTokensPerBlock;
  const bool raw_whole = Stored(kv, KvPlane::kRawKeys) &&
                         kv.MissingAfterTruncate(KvPlane::kRawKeys, n).empty() &&
                         kv.layout().rules[0].keep_last == PlaneRule::kAll;
  if (!kv.MissingAfterTruncate(KvPlane::kRawKeys, n).empty() ||
      !kv.MissingAfterTruncate(KvPlane::kValues, n).empty() || (!window.empty() && !raw_whole)) {
    return false;
  }
  const Status refilled = kv.Refill(KvPlane::kRotatedKeys, window);
  if (!refilled.ok()) return refilled;
  RebuildRotated(kv, shape, dtype, rope, window, ctx);
  kv.Truncate(n);
  return true;
}

void ReadKey(const KvStore& kv, int layer, KvPlane plane, int head, TokenPos t, DType dtype,
             int head_dim, float* out) {
  const std::byte* panel = kv.panel(layer, plane, head, t / kPanelTokens);
  const int lane = static_cast<int>(t % kPanelTokens);
  for (int i = 0; i < head_dim; ++i) {
    out[i] = kernels::LoadKey(dtype, panel, head_dim, lane, i);
  }
}

}  // namespace quarry
