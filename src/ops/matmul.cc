#include "ops/matmul.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"
#include "ops/gemm_worker.h"

namespace quarry {
namespace {

constexpr int64_t kPanel = kernels::kWeightPanel;
// Widened weights of one work item stay in a second-level cache.
constexpr int64_t kSlabBytes = 512 << 10;
constexpr int64_t kMaxPieceRows = 256;

struct Job {
  const PackedMatrix& w;
  const float* x;
  int64_t x_stride;
  int64_t m;
  Epilogue epilogue;
  float* y;
  int64_t y_stride;
};

// Rows [row, row + m) of the product of panels [first, first + n) lie in `product`, [m][n * 64].
void Finish(const Job& job, const kernels::KernelTable& kernels, int64_t row, int64_t m,
            int64_t first, int64_t n, float* product) {
  const int64_t width = n * kPanel;
  for (int64_t r = 0; r < m; ++r) {
    float* p = product + r * width;
    if (!job.w.bias().empty()) kernels.add(job.w.bias().data() + first * kPanel, width, p);
    float* y = job.y + (row + r) * job.y_stride;
    switch (job.epilogue) {
      case Epilogue::kStore:
        std::copy(p, p + width, y + first * kPanel);
        break;
      case Epilogue::kAdd:
        kernels.add(p, width, y + first * kPanel);
        break;
      case Epilogue::kSiluMul:
        for (int64_t i = 0; i < n; i += 2) {
          kernels.silu_mul(p + i * kPanel, p + (i + 1) * kPanel, kPanel,
                           y + (first + i) / 2 * kPanel);
        }
        break;
    }
  }
}

// One panel times a few rows: product[r * stride + column]. `inputs` are the rows quantised, if the
// matrix is.
void MultiplyPanel(const Job& job, const kernels::KernelTable& kernels, int64_t panel, int64_t row,
                   int rows, const kernels::InputGroup* inputs, float* product, int64_t stride) {
  const PackedMatrix& w = job.w;
  const WeightType type = w.panel_type(panel);
  if (IsQuantized(type)) {
    const int64_t groups = w.k() / kernels::kGroupInputs;
    kernels.gemv_quant({.type = type,
                        .w = w.panel(panel),
                        .k = w.k(),
                        .x = inputs + row * groups,
                        .x_stride = groups,
                        .rows = rows,
                        .y = product,
                        .y_stride = stride});
    return;
  }
  const auto gemv = type == WeightType::kF32   ? kernels.gemv_f32
                    : type == WeightType::kF16 ? kernels.gemv_f16
                                               : kernels.gemv_bf16;
  gemv({.w = w.panel(panel),
        .k = w.k(),
        .n_panels = 1,
        .x = job.x + row * job.x_stride,
        .x_stride = job.x_stride,
        .rows = rows,
        .y = product,
        .y_stride = stride});
}

// Few rows: every panel is read once, by whichever worker claims it.
void MultiplyFewRows(const Job& job, ExecContext& ctx) {
  Scratch::Scope inputs_scope(ctx.scratch());
  kernels::InputGroup* inputs = nullptr;
  if (job.w.quantized()) {
    const int64_t groups = job.w.k() / kernels::kGroupInputs;
    inputs = ctx.scratch().Take<kernels::InputGroup>(static_cast<size_t>(job.m * groups)).data();
    for (int64_t r = 0; r < job.m; ++r) {
      ctx.kernels().quantize_inputs(job.x + r * job.x_stride, job.w.k(), inputs + r * groups);
    }
  }
  // Two panels a piece, because gate and up belong together.
  const int64_t pieces = CeilDiv(job.w.n_panels(), 2);
  ctx.threads().Run(pieces, [&](int64_t piece, int worker) {
    const int64_t first = 2 * piece;
    const int64_t n = std::min<int64_t>(2, job.w.n_panels() - first);
    Scratch::Scope scope(ctx.scratch(worker));
    float* product = ctx.scratch(worker).Take<float>(kernels::kGemvRows * 2 * kPanel).data();
    for (int64_t row = 0; row < job.m; row += kernels::kGemvRows) {
      const int64_t rows = std::min<int64_t>(kernels::kGemvRows, job.m - row);
      for (int64_t i = 0; i < n; ++i) {
        MultiplyPanel(job, ctx.kernels(), first + i, row, static_cast<int>(rows), inputs,
                      product + i * kPanel, n * kPanel);
      }
      Finish(job, ctx.kernels(), row, rows, first, n, product);
    }
  });
}

// Panels [first, first + n) as f32 in the given layout.
void WidenSlab(const PackedMatrix& w, const kernels::KernelTable& kernels, int64_t first, int64_t n,
               GemmWeights layout, float* out) {
  const bool panels = layout == GemmWeights::kF32Panels;
  const int64_t k = panels ? RoundUp(w.k(), 16) : w.k();
  const int64_t row_stride = panels ? kPanel : n * kPanel;
  for (int64_t i = 0; i < n; ++i) {
    float* panel = out + i * (panels ? k * kPanel : kPanel);
    const WeightType type = w.panel_type(first + i);
    if (IsQuantized(type)) {
      kernels.unpack_quant(type, w.panel(first + i), k, panel, row_stride);
      continue;
    }
    if (type != WeightType::kF32) {
      const auto unpack = type == WeightType::kF16 ? kernels.unpack_f16 : kernels.unpack_bf16;
      unpack(w.panel(first + i), k, panel, row_stride);
      continue;
    }
    const auto* in = reinterpret_cast<const float*>(w.panel(first + i));
    for (int64_t r = 0; r < k; ++r) {
      std::copy(in + r * kPanel, in + (r + 1) * kPanel, panel + r * row_stride);
    }
  }
}

// Panels [first, first + n) as bf16 panels. REQUIRES: CanNarrow(w).
void NarrowSlab(const PackedMatrix& w, const kernels::KernelTable& kernels, int64_t first,
                int64_t n, BFloat16* out) {
  const int64_t panel_size = RoundUp(w.k(), 32) * kPanel;
  for (int64_t i = 0; i < n; ++i) {
    const WeightType type = w.panel_type(first + i);
    BFloat16* panel = out + i * panel_size;
    if (IsQuantized(type)) {
      kernels.unpack_quant_bf16(type, w.panel(first + i), w.k(), panel);
    } else {
      std::memcpy(panel, w.panel(first + i), static_cast<size_t>(w.panel_bytes(first + i)));
    }
  }
}

// bf16 holds what the panels hold, or nearly.
bool CanNarrow(const PackedMatrix& w) {
  for (int64_t i = 0; i < w.n_panels(); ++i) {
    const WeightType type = w.panel_type(i);
    if (type == WeightType::kF32 || type == WeightType::kF16) return false;
  }
  return true;
}

// Many rows: pieces of rows times slabs of panels, each multiplied by oneDNN in one thread.
// Quantised and f16 weights are widened slab by slab, bf16 ones where f32 is the faster arithmetic.
void MultiplyManyRows(const Job& job, ExecContext& ctx) {
  const kernels::KernelTable& kernels = ctx.kernels();
  const int64_t k = job.w.k();
  const bool bf16 = ctx.bf16_products() && CanNarrow(job.w);
  const GemmWeights layout = bf16 ? GemmWeights::kBf16Panels : ctx.gemm(0)->f32_layout();
  // Panels in the storage type that oneDNN multiplies directly need no copy.
  const bool direct = job.w.uniform() && !job.w.quantized() &&
                      (bf16 || layout == GemmWeights::kF32Panels) &&
                      job.w.panel_type(0) == (bf16 ? WeightType::kBF16 : WeightType::kF32);

  const int64_t k16 = RoundUp(k, 16);
  int64_t slab = std::clamp<int64_t>(kSlabBytes / (k16 * kPanel * 4), 1, job.w.n_panels());
  if (job.epilogue == Epilogue::kSiluMul) slab = RoundUp(slab, 2);
  const int64_t slabs = CeilDiv(job.w.n_panels(), slab);
  const int64_t share = RoundUp(CeilDiv(job.m, 2 * ctx.threads().size()), 16);
  const int64_t piece_rows = std::clamp<int64_t>(share, 64, kMaxPieceRows);
  const int64_t pieces = CeilDiv(job.m, piece_rows);

  ctx.threads().Run(pieces * slabs, [&](int64_t item, int worker) {
    const int64_t row = item / slabs * piece_rows;
    const int64_t m = std::min(piece_rows, job.m - row);
    const int64_t first = item % slabs * slab;
    const int64_t n = std::min(slab, job.w.n_panels() - first);
    Scratch& scratch = ctx.scratch(worker);
    Scratch::Scope scope(scratch);

    // Rounded up, so that few sizes of product are ever prepared; the surplus rows are not used.
    const int64_t m16 = RoundUp(m, 16);
    const void* a = job.x + row * job.x_stride;
    if (bf16) {
      BFloat16* narrow = scratch.Take<BFloat16>(static_cast<size_t>(m16 * k)).data();
      for (int64_t r = 0; r < m; ++r) {
        kernels.narrow(DType::kBF16, job.x + (row + r) * job.x_stride, k, narrow + r * k);
      }
      std::fill(narrow + m * k, narrow + m16 * k, BFloat16{0});
      a = narrow;
    } else if (m != m16 || job.x_stride != k) {
      float* dense = scratch.Take<float>(static_cast<size_t>(m16 * k)).data();
      for (int64_t r = 0; r < m; ++r) {
        const float* x = job.x + (row + r) * job.x_stride;
        std::copy(x, x + k, dense + r * k);
      }
      std::fill(dense + m * k, dense + m16 * k, 0.0f);
      a = dense;
    }

    const void* weights = job.w.panel(first);
    if (!direct && bf16) {
      const auto size = static_cast<size_t>(n * RoundUp(k, 32) * kPanel);
      BFloat16* panels = scratch.Take<BFloat16>(size).data();
      NarrowSlab(job.w, kernels, first, n, panels);
      weights = panels;
    } else if (!direct) {
      float* wide = scratch.Take<float>(static_cast<size_t>(n * k16 * kPanel)).data();
      WidenSlab(job.w, kernels, first, n, layout, wide);
      weights = wide;
    }
    float* product = scratch.Take<float>(static_cast<size_t>(m16 * n * kPanel)).data();
    ctx.gemm(worker)->Multiply(layout, m16, n * kPanel, k, a, weights, product);
    Finish(job, kernels, row, m, first, n, product);
  });
}

}  // namespace

int64_t OutputColumns(const PackedMatrix& w, Epilogue epilogue) {
  return epilogue == Epilogue::kSiluMul ? w.padded_n() / 2 : w.padded_n();
}

void MatMul(const PackedMatrix& w, const float* x, int64_t x_stride, int64_t m, Epilogue epilogue,
            float* y, int64_t y_stride, ExecContext& ctx) {
  QUARRY_DCHECK(x_stride >= w.k() && y_stride >= OutputColumns(w, epilogue), "rows overlap");
  const Job job = {w, x, x_stride, m, epilogue, y, y_stride};
  if (m <= kGemvMaxRows || ctx.gemm(0) == nullptr) {
    MultiplyFewRows(job, ctx);
  } else {
    MultiplyManyRows(job, ctx);
  }
}

}  // namespace quarry
