#include "attention/estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checked_math.h"
#include "kernels/panel.h"

namespace quarry {
namespace {

using kernels::KeyPanel;
using kernels::kPanelTokens;
using kernels::kTilePanels;
using kernels::kTileTokens;

// Keys of one piece of work, and those whose weights are held at once.
constexpr int64_t kPieceKeys = 2048;
constexpr int64_t kBatchKeys = 4 * kTileTokens;

// One run over the keys, cut into pieces of (KV head, keys).
class LineMassRun {
 public:
  LineMassRun(const PlanInput& in, TokenRange tokens, std::span<const float> q, ExecContext& ctx)
      : in_(in),
        tokens_(tokens),
        q_(q),
        ctx_(ctx),
        rows_(static_cast<int>(tokens.size())),
        stack_(in.shape->group() * rows_),
        pieces_(CeilDiv(tokens.end, kPieceKeys)),
        lo_(static_cast<size_t>(stack_), 0),
        hi_(static_cast<size_t>(stack_)) {
    const int64_t window = in.shape->window(in.layer);
    for (int i = 0; i < stack_; ++i) {
      const TokenPos end = tokens.begin + i % rows_ + 1;
      hi_[static_cast<size_t>(i)] = static_cast<int32_t>(end);
      if (window > 0)
        lo_[static_cast<size_t>(i)] = static_cast<int32_t>(std::max<TokenPos>(0, end - window));
    }
  }

  std::vector<LineMass> Run() {
    const auto heads = static_cast<size_t>(in_.shape->heads);
    const auto all_rows = heads * static_cast<size_t>(rows_);
    m_.resize(all_rows * static_cast<size_t>(pieces_));
    d_.resize(m_.size());
    ForPieces([&](int kv_head, int64_t piece, int worker) { Maxima(kv_head, piece, worker); });
    MergePieces();

    // Pieces end with a whole tile.
    const auto padded = static_cast<size_t>(RoundUp(tokens_.end, kTileTokens));
    std::vector<LineMass> mass(heads);
    for (LineMass& m : mass) {
      m.column.assign(padded, 0.0f);
      m.distance.assign(static_cast<size_t>(tokens_.end), 0.0f);
    }
    diagonals_.assign(heads * static_cast<size_t>(pieces_) * DiagonalSize(), 0.0f);
    ForPieces([&](int kv_head, int64_t piece, int worker) { Sums(kv_head, piece, worker, mass); });
    ctx_.threads().Run(in_.shape->heads, [&](int64_t head, int) {
      LineMass& m = mass[static_cast<size_t>(head)];
      m.column.resize(static_cast<size_t>(tokens_.end));
      AddDiagonals(static_cast<size_t>(head), m);
    });
    return mass;
  }

 private:
  size_t DiagonalSize() const { return static_cast<size_t>(kPieceKeys + rows_ - 1); }

  template <typename F>
  void ForPieces(F f) {
    ctx_.threads().Run(pieces_ * in_.shape->kv_heads, [&](int64_t i, int worker) {
      Scratch::Scope scope(ctx_.scratch(worker));
      f(static_cast<int>(i % in_.shape->kv_heads), i / in_.shape->kv_heads, worker);
    });
  }

  TokenRange Keys(int64_t piece) const {
    return {piece * kPieceKeys, std::min(tokens_.end, (piece + 1) * kPieceKeys)};
  }

  // Panels of the keys, and the arguments of the kernel but for its outputs.
  kernels::AttendArgs Arguments(int kv_head, TokenRange keys, Scratch& scratch) const {
    const int n = static_cast<int>(CeilDiv(keys.size(), kPanelTokens));
    auto panels = scratch.Take<KeyPanel>(static_cast<size_t>(n));
    for (int p = 0; p < n; ++p) {
      const TokenPos first = keys.begin + p * int64_t{kPanelTokens};
      panels[static_cast<size_t>(p)] = {
          in_.kv->panel(in_.layer, KvPlane::kRotatedKeys, kv_head, first / kPanelTokens), nullptr,
          static_cast<int32_t>(first), 0xffffu};
    }
    const int dim = in_.shape->head_dim;
    const auto floats = static_cast<size_t>(ctx_.kernels().attend_scratch_floats(stack_, dim));
    return {.dtype = in_.kv_dtype,
            .head_dim = dim,
            .rows = stack_,
            .q = q_.data() + static_cast<int64_t>(kv_head) * stack_ * dim,
            .lo = lo_.data(),
            .hi = hi_.data(),
            .panels = panels.data(),
            .n_panels = n,
            .scale = SoftmaxScale(dim),
            .m = nullptr,
            .d = nullptr,
            .o = nullptr,
            .weights = nullptr,
            .tile_max = nullptr,
            .scratch = scratch.Take<float>(floats).data(),
            .may_round = ctx_.bf16_products()};
  }

  // First pass: the rows' largest scores and sums of weights over the piece.
  void Maxima(int kv_head, int64_t piece, int worker) {
    kernels::AttendArgs args = Arguments(kv_head, Keys(piece), ctx_.scratch(worker));
    const size_t at = (static_cast<size_t>(piece) * static_cast<size_t>(in_.shape->kv_heads) +
                       static_cast<size_t>(kv_head)) *
                      static_cast<size_t>(stack_);
    args.m = m_.data() + at;
    args.d = d_.data() + at;
    std::fill_n(args.m, stack_, -std::numeric_limits<float>::infinity());
    std::fill_n(args.d, stack_, 0.0f);
    ctx_.kernels().attend(args);
  }

  void MergePieces() {
    const auto rows = static_cast<size_t>(in_.shape->heads) * static_cast<size_t>(rows_);
    row_max_.assign(m_.begin(), m_.begin() + static_cast<ptrdiff_t>(rows));
    row_scale_.assign(rows, 0.0f);
    for (size_t i = rows; i < m_.size(); ++i) {
      row_max_[i % rows] = std::max(row_max_[i % rows], m_[i]);
    }
    for (size_t i = 0; i < m_.size(); ++i) {
      row_scale_[i % rows] += d_[i] * std::exp(m_[i] - row_max_[i % rows]);
    }
    for (float& s : row_scale_) s = 1 / s;
  }

  // Second pass: with the final maxima in force, weights are probabilities times a constant.
  void Sums(int kv_head, int64_t piece, int worker, std::vector<LineMass>& mass) {
    Scratch& scratch = ctx_.scratch(worker);
    const int group = in_.shape->group();
    const auto stack = static_cast<size_t>(stack_);
    const size_t row0 = static_cast<size_t>(kv_head) * stack;
    const TokenRange keys = Keys(piece);
    float* m = scratch.Take<float>(stack).data();
    float* d = scratch.Take<float>(stack).data();
    float* weights = scratch.Take<float>(stack * kBatchKeys).data();
    float* tile_max = scratch.Take<float>(stack * (kBatchKeys / kTileTokens)).data();
    for (TokenPos t = keys.begin; t < keys.end; t += kBatchKeys) {
      Scratch::Scope scope(scratch);
      kernels::AttendArgs args =
          Arguments(kv_head, {t, std::min(keys.end, t + kBatchKeys)}, scratch);
      std::copy_n(row_max_.data() + row0, stack, m);
      std::fill_n(d, stack, 0.0f);
      args.m = m;
      args.d = d;
      args.weights = weights;
      args.tile_max = tile_max;
      ctx_.kernels().attend(args);
      for (int tile = 0; tile * kTilePanels < args.n_panels; ++tile) {
        const TokenPos begin = t + tile * int64_t{kTileTokens};
        for (int g = 0; g < group; ++g) {
          const auto head = static_cast<size_t>(kv_head * group + g);
          const float* w =
              weights + (static_cast<int64_t>(tile) * stack_ + g * rows_) * kTileTokens;
          const float* scale = row_scale_.data() + head * static_cast<size_t>(rows_);
          ctx_.kernels().column_sums(w, scale, rows_, mass[head].column.data() + begin);
          ctx_.kernels().diagonal_sums(w, scale, rows_,
                                       Diagonals(head, piece) + begin - keys.begin);
        }
      }
    }
  }

  // Sums of one piece by key - row: entry x is distance (first query + rows - 1) - (first key) - x.
  float* Diagonals(size_t head, int64_t piece) {
    return diagonals_.data() +
           (head * static_cast<size_t>(pieces_) + static_cast<size_t>(piece)) * DiagonalSize();
  }
  void AddDiagonals(size_t head, LineMass& m) {
    for (int64_t piece = 0; piece < pieces_; ++piece) {
      const float* sums = Diagonals(head, piece);
      const TokenPos far = tokens_.end - 1 - piece * kPieceKeys;
      const TokenPos n = std::min<TokenPos>(static_cast<TokenPos>(DiagonalSize()), far + 1);
      for (TokenPos x = 0; x < n; ++x) m.distance[static_cast<size_t>(far - x)] += sums[x];
    }
  }

  const PlanInput& in_;
  const TokenRange tokens_;
  const std::span<const float> q_;
  ExecContext& ctx_;
  const int rows_;
  const int stack_;  // rows of all heads of a group
  const int64_t pieces_;
  std::vector<int32_t> lo_, hi_;  // [stack]
  std::vector<float> m_, d_;      // [pieces][heads * rows]
  std::vector<float> row_max_;    // [heads * rows]
  std::vector<float> row_scale_;  // [heads * rows], 1 / sum of weights
  std::vector<float> diagonals_;  // [heads][pieces][DiagonalSize()]
};

// The keys of a panel in f32, each where its type's layout has it.
void WidenKeys(const PlanInput& in, const void* panel, const kernels::KernelTable& table,
               float* wide) {
  const int dim = in.shape->head_dim;
  if (in.kv_dtype != DType::kI8) {
    table.widen(in.kv_dtype, panel, int64_t{kPanelTokens} * dim, wide);
    return;
  }
  for (int c = 0; c < dim; ++c) {
    for (int lane = 0; lane < kPanelTokens; ++lane) {
      wide[kernels::KeyIndex(in.kv_dtype, lane, c)] =
          kernels::LoadKey(in.kv_dtype, panel, dim, lane, c);
    }
  }
}

// Adds what 16 lanes of a key panel, widened to f32 in its own order, hold of each channel.
void AddLanes(DType dtype, const float* panel, int dim, float* out) {
  for (int c = 0; c < dim; ++c) {
    float sum = 0;
    for (int lane = 0; lane < kPanelTokens; ++lane) sum += panel[kernels::KeyIndex(dtype, lane, c)];
    out[c] += sum;
  }
}

}  // namespace

std::vector<float> RotatedQueries(const PlanInput& in, TokenRange tokens, ExecContext& ctx) {
  const int dim = in.shape->head_dim;
  const auto n = static_cast<int>(tokens.size());
  const int64_t pairs = in.rope->pairs();
  std::vector<float> q(static_cast<size_t>(in.shape->heads) * static_cast<size_t>(n) *
                       static_cast<size_t>(dim));
  ctx.threads().Run(n, [&](int64_t row, int) {
    const int64_t at = tokens.begin + row - in.call_begin;
    const float* x = in.q + at * in.q_stride;
    for (int h = 0; h < in.shape->heads; ++h) {
      in.rope->Rotate(ctx.kernels(), x + h * dim, in.cos + at * pairs, in.sin + at * pairs,
                      q.data() + (h * int64_t{n} + row) * dim);
    }
  });
  return q;
}

std::vector<LineMass> ComputeLineMass(const PlanInput& in, TokenRange tokens,
                                      std::span<const float> q, ExecContext& ctx) {
  return LineMassRun(in, tokens, q, ctx).Run();
}

std::vector<float> SumKeyBlocks(const PlanInput& in, int64_t block, TokenPos end,
                                ExecContext& ctx) {
  const int dim = in.shape->head_dim;
  const int64_t blocks = CeilDiv(end, block);
  std::vector<float> sums(static_cast<size_t>(in.shape->kv_heads * blocks * dim), 0.0f);
  ctx.threads().Run(in.shape->kv_heads * blocks, [&](int64_t i, int worker) {
    Scratch& scratch = ctx.scratch(worker);
    Scratch::Scope scope(scratch);
    const int64_t n = int64_t{kPanelTokens} * dim;
    float* wide = scratch.Take<float>(static_cast<size_t>(n)).data();
    float* total = scratch.Take<float>(static_cast<size_t>(n)).data();
    std::fill_n(total, n, 0.0f);
    const int head = static_cast<int>(i / blocks);
    const TokenPos begin = i % blocks * block;
    const TokenPos last = std::min(end, begin + block);
    for (TokenPos t = begin; t < last; t += kPanelTokens) {
      WidenKeys(in, in.kv->panel(in.layer, KvPlane::kRotatedKeys, head, t / kPanelTokens),
                ctx.kernels(), wide);
      if (last - t < kPanelTokens) {  // lanes behind the last token are not its block's
        for (int lane = static_cast<int>(last - t); lane < kPanelTokens; ++lane) {
          for (int c = 0; c < dim; ++c) wide[kernels::KeyIndex(in.kv_dtype, lane, c)] = 0;
        }
      }
      ctx.kernels().add(wide, n, total);
    }
    AddLanes(in.kv_dtype, total, dim, sums.data() + i * dim);
  });
  return sums;
}

std::vector<float> SumQueryBlocks(const PlanInput& in, TokenPos origin, int64_t block,
                                  ExecContext& ctx) {
  const int dim = in.shape->head_dim;
  const int64_t pairs = in.rope->pairs();
  const int64_t blocks = CeilDiv(in.call_end - origin, block);
  std::vector<float> sums(static_cast<size_t>(in.shape->heads * blocks * dim), 0.0f);
  ctx.threads().Run(blocks, [&](int64_t b, int worker) {
    Scratch& scratch = ctx.scratch(worker);
    Scratch::Scope scope(scratch);
    float* row = scratch.Take<float>(static_cast<size_t>(dim)).data();
    const TokenPos begin = std::max(in.call_begin, origin + b * block);
    const TokenPos end = std::min(in.call_end, origin + (b + 1) * block);
    for (TokenPos t = begin; t < end; ++t) {
      const int64_t at = t - in.call_begin;
      const float* x = in.q + at * in.q_stride;
      for (int h = 0; h < in.shape->heads; ++h) {
        in.rope->Rotate(ctx.kernels(), x + h * dim, in.cos + at * pairs, in.sin + at * pairs, row);
        ctx.kernels().add(row, dim, sums.data() + (h * blocks + b) * dim);
      }
    }
  });
  return sums;
}

}  // namespace quarry
