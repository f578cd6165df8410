#include "model/model.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/checked_math.h"
#include "ops/matmul.h"
#include "tensor/quantize.h"

namespace quarry {
namespace {

using kernels::kMaxHeadDim;

// Calls f(row) for rows [0, n), spread over the pool.
template <typename F>
void ForRows(ExecContext& ctx, int64_t n, F f) {
  constexpr int64_t kRowsPerPiece = 16;
  ctx.threads().Run(CeilDiv(n, kRowsPerPiece), [&](int64_t piece, int) {
    const int64_t end = std::min(n, (piece + 1) * kRowsPerPiece);
    for (int64_t row = piece * kRowsPerPiece; row < end; ++row) f(row);
  });
}

void Norm(ExecContext& ctx, const float* x, const std::vector<float>& weight, double eps, int64_t n,
          float* out) {
  const auto width = static_cast<int64_t>(weight.size());
  ForRows(ctx, n, [&](int64_t row) {
    ctx.kernels().rms_norm(x + row * width, weight.data(), width, static_cast<float>(eps),
                           out + row * width);
  });
}

// RMSNorm of each of `heads` heads, in place; without weights nothing happens.
void NormHeads(ExecContext& ctx, const std::vector<float>& weight, double eps, int64_t heads,
               int64_t n, int64_t stride, float* x) {
  if (weight.empty()) return;
  const auto dim = static_cast<int64_t>(weight.size());
  ForRows(ctx, n, [&](int64_t row) {
    for (int64_t h = 0; h < heads; ++h) {
      float* head = x + row * stride + h * dim;
      ctx.kernels().rms_norm(head, weight.data(), dim, static_cast<float>(eps), head);
    }
  });
}

Status CheckDecoder(const HfConfig& c) {
  if (c.head_dim % 8 != 0 || c.head_dim < 8 || c.head_dim > kMaxHeadDim) {
    return Unsupported(
        fmt::format("head_dim is {}, must be a multiple of 8 up to {}", c.head_dim, kMaxHeadDim));
  }
  if (c.hidden_size % 2 != 0 || c.intermediate_size % 2 != 0) {
    return Unsupported(fmt::format("hidden_size {} and intermediate_size {} must be even",
                                   c.hidden_size, c.intermediate_size));
  }
  return OkStatus();
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::Load(const std::filesystem::path& path,
                                                 std::optional<DType> dtype,
                                                 std::optional<WeightType> quantize,
                                                 ThreadPool* threads) {
  const Result<ModelFiles> files = OpenModelFiles(path);
  if (!files.ok()) return files.status();
  const HfConfig& c = files->config;
  if (const Status s = CheckDecoder(c); !s.ok()) return s.WithPrefix(path.string());

  auto model = std::shared_ptr<Model>(new Model());
  model->shape_ = {static_cast<int>(c.n_layers), static_cast<int>(c.n_heads),
                   static_cast<int>(c.n_kv_heads), static_cast<int>(c.head_dim), c.windows};
  model->dtype_ = dtype.value_or(HeldDType(*files->tensors));
  Result<ModelWeights> weights =
      LoadWeights(*files, {.dtype = model->dtype_,
                           .quantize = quantize.value_or(WeightType::kF32),
                           .threads = threads});
  if (!weights.ok()) return weights.status().WithPrefix(path.string());
  model->weights_ = std::move(*weights);
  model->config_ = c;
  return std::shared_ptr<const Model>(std::move(model));
}

void Model::Embed(std::span<const TokenId> tokens, ExecContext& ctx, float* x) const {
  const int64_t hidden = config_.hidden_size;
  const WeightView& table = weights_.embeddings;
  const auto scale = static_cast<float>(config_.embedding_scale);
  ForRows(ctx, static_cast<int64_t>(tokens.size()), [&](int64_t row) {
    float* out = x + row * hidden;
    const int64_t token = tokens[static_cast<size_t>(row)];
    DequantizeRow(table.type, table.data.data() + token * RowBytes(table.type, hidden), hidden,
                  out);
    for (int64_t i = 0; i < hidden; ++i) out[i] *= scale;
  });
}

Status Model::Forward(std::span<const TokenId> tokens, Sequence& sequence, ExecContext& ctx,
                      std::span<float> logits, const ForwardOptions& options) const {
  if (tokens.empty()) return OkStatus();
  const Part part = {tokens, &sequence, logits};
  return Run({&part, 1}, ctx, options);
}

Status Model::Forward(std::span<const Part> parts, ExecContext& ctx, Phase phase) const {
  return Run(parts, ctx, {.phase = phase});
}

Status Model::Run(std::span<const Part> parts, ExecContext& ctx,
                  const ForwardOptions& options) const {
  int64_t n = 0;
  for (const Part& part : parts) {
    const auto own = static_cast<int64_t>(part.tokens.size());
    if (const Status s = part.sequence->Begin(own, options.phase); !s.ok()) return s;
    n += own;
  }

  const int64_t hidden = config_.hidden_size;
  const int64_t q_width = config_.n_heads * config_.head_dim;
  const int64_t kv_width = config_.n_kv_heads * config_.head_dim;
  const LayerWeights& first = weights_.layers[0];
  const int64_t qkv_stride = OutputColumns(first.qkv, Epilogue::kStore);
  const int64_t act_stride = OutputColumns(first.gate_up, Epilogue::kSiluMul);
  const int64_t x_stride = hidden;
  const int64_t half = parts[0].sequence->rope().pairs();

  // Attention sees all rows together; the products around it take them in pieces of a like size.
  const int64_t pieces = CeilDiv(n, kProductRows);
  const int64_t piece_rows = CeilDiv(n, pieces);
  Scratch::Scope scope(ctx.scratch());
  const auto take = [&](int64_t rows, int64_t width) {
    return ctx.scratch().Take<float>(static_cast<size_t>(rows * width)).data();
  };
  float* x = take(n, x_stride);
  float* qkv = take(n, qkv_stride);
  float* attended = take(n, q_width);
  float* cos = take(n, half);
  float* sin = take(n, half);
  float* normed = take(piece_rows, hidden);
  float* act = take(piece_rows, act_stride);
  float* added = take(piece_rows, OutputColumns(first.o, Epilogue::kStore));

  // Calls use(part, its first row, its rows).
  const auto for_parts = [&](auto use) {
    int64_t row = 0;
    for (const Part& part : parts) {
      const auto own = static_cast<int64_t>(part.tokens.size());
      use(part, row, own);
      row += own;
    }
  };
  for_parts([&](const Part& part, int64_t row, int64_t own) {
    Embed(part.tokens, ctx, x + row * x_stride);
    part.sequence->rope().Angles(part.sequence->size(), own, cos + row * half, sin + row * half);
  });
  // The residual stream is as wide as its padded product only if hidden is a multiple of a panel;
  // otherwise products go through a buffer.
  const bool direct = first.o.padded_n() == hidden && config_.residual_scale == 1.0;
  // `norm`, if there is one, is applied to the product before it is added.
  const auto add_product = [&](const PackedMatrix& w, const float* in, int64_t in_stride,
                               const std::vector<float>& norm, int64_t rows, float* to) {
    if (direct && norm.empty()) {
      MatMul(w, in, in_stride, rows, Epilogue::kAdd, to, x_stride, ctx);
      return;
    }
    const int64_t width = w.padded_n();
    MatMul(w, in, in_stride, rows, Epilogue::kStore, added, width, ctx);
    NormHeads(ctx, norm, config_.rms_norm_eps, 1, rows, width, added);
    const auto scale = static_cast<float>(config_.residual_scale);
    ForRows(ctx, rows, [&](int64_t row) {
      for (int64_t i = 0; i < hidden; ++i) to[row * x_stride + i] += scale * added[row * width + i];
    });
  };
  // Calls use(first row, rows) for every piece.
  const auto for_pieces = [&](auto use) {
    for (int64_t i = 0; i < pieces; ++i) {
      const Slice rows = SliceOf(n, pieces, i);
      use(rows.begin, rows.end - rows.begin);
    }
  };

  const auto show = [&](size_t layers) {
    if (options.observer == nullptr) return;
    options.observer->OnState(static_cast<int>(layers), {x, static_cast<size_t>(n * hidden)});
  };
  show(0);
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped between layers");
    }
    const LayerWeights& layer = weights_.layers[i];
    for_pieces([&](int64_t row, int64_t rows) {
      Norm(ctx, x + row * x_stride, layer.input_norm, config_.rms_norm_eps, rows, normed);
      MatMul(layer.qkv, normed, hidden, rows, Epilogue::kStore, qkv + row * qkv_stride, qkv_stride,
             ctx);
    });
    NormHeads(ctx, layer.q_norm, config_.rms_norm_eps, config_.n_heads, n, qkv_stride, qkv);
    NormHeads(ctx, layer.k_norm, config_.rms_norm_eps, config_.n_kv_heads, n, qkv_stride,
              qkv + q_width);
    if (options.observer != nullptr) {
      options.observer->OnQkv({.layer = static_cast<int>(i),
                               .first = parts[0].sequence->size(),
                               .n = n,
                               .q = qkv,
                               .k = qkv + q_width,
                               .v = qkv + q_width + kv_width,
                               .stride = qkv_stride});
    }
    for_parts([&](const Part& part, int64_t row, int64_t own) {
      const float* q = qkv + row * qkv_stride;
      part.sequence->Attend(static_cast<int>(i),
                            {.n = static_cast<int>(own),
                             .q = q,
                             .k = q + q_width,
                             .v = q + q_width + kv_width,
                             .q_stride = qkv_stride,
                             .kv_stride = qkv_stride,
                             .cos = cos + row * half,
                             .sin = sin + row * half,
                             .out = attended + row * q_width,
                             .out_stride = q_width},
                            ctx);
    });
    for_pieces([&](int64_t row, int64_t rows) {
      float* residual = x + row * x_stride;
      add_product(layer.o, attended + row * q_width, q_width, layer.attention_norm, rows, residual);
      Norm(ctx, residual, layer.mlp_input_norm, config_.rms_norm_eps, rows, normed);
      MatMul(layer.gate_up, normed, hidden, rows, Epilogue::kSiluMul, act, act_stride, ctx);
      add_product(layer.down, act, act_stride, layer.mlp_norm, rows, residual);
    });
    show(i + 1);
  }
  for_parts([](const Part& part, int64_t, int64_t own) { part.sequence->End(own); });

  if (!options.next.empty()) Score(x, ctx, options);
  if (options.all_logits) {
    if (!parts[0].logits.empty()) Logits(x, n, ctx, options.observer, parts[0].logits);
    return OkStatus();
  }
  // Last rows, one after the other, where several parts have them.
  float* last = take(static_cast<int64_t>(parts.size()), hidden);
  std::vector<std::span<float>> logits;
  for_parts([&](const Part& part, int64_t row, int64_t own) {
    if (part.logits.empty()) return;
    std::copy_n(x + (row + own - 1) * x_stride, hidden,
                last + static_cast<int64_t>(logits.size()) * hidden);
    logits.push_back(part.logits);
  });
  ForLogits(last, static_cast<int64_t>(logits.size()), ctx, options.observer,
            [&](int64_t row, const float* from) {
              std::copy_n(from, config_.vocab_size, logits[static_cast<size_t>(row)].data());
            });
  return OkStatus();
}

template <typename Use>
void Model::ForLogits(const float* x, int64_t n, ExecContext& ctx, Observer* observer,
                      Use use) const {
  const int64_t hidden = config_.hidden_size;
  const PackedMatrix& head = weights_.lm_head;
  // All positions at once would take gigabytes at length; a few hundred rows keep the cores busy.
  constexpr int64_t kRowsAtOnce = 256;
  for (int64_t begin = 0; begin < n; begin += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, n - begin);
    Scratch::Scope scope(ctx.scratch());
    float* normed = ctx.scratch().Take<float>(static_cast<size_t>(rows * hidden)).data();
    float* wide = ctx.scratch().Take<float>(static_cast<size_t>(rows * head.padded_n())).data();
    Norm(ctx, x + begin * hidden, weights_.final_norm, config_.rms_norm_eps, rows, normed);
    if (observer != nullptr) {
      observer->OnFinalNorm(begin, {normed, static_cast<size_t>(rows * hidden)});
    }
    if (config_.logit_divisor != 1.0) {
      const auto scale = static_cast<float>(1 / config_.logit_divisor);
      for (int64_t i = 0; i < rows * hidden; ++i) normed[i] *= scale;
    }
    MatMul(head, normed, hidden, rows, Epilogue::kStore, wide, head.padded_n(), ctx);
    ForRows(ctx, rows, [&](int64_t r) { use(begin + r, wide + r * head.padded_n()); });
  }
}

void Model::Logits(const float* x, int64_t n, ExecContext& ctx, Observer* observer,
                   std::span<float> logits) const {
  const int64_t vocab = config_.vocab_size;
  ForLogits(x, n, ctx, observer, [&](int64_t row, const float* row_logits) {
    std::copy_n(row_logits, vocab, logits.data() + row * vocab);
  });
}

void Model::Score(const float* x, ExecContext& ctx, const ForwardOptions& options) const {
  const int64_t vocab = config_.vocab_size;
  const auto n = static_cast<int64_t>(options.next.size());
  ForLogits(x, n, ctx, nullptr, [&](int64_t row, const float* logits) {
    const float largest = *std::max_element(logits, logits + vocab);
    double sum = 0;
    for (int64_t i = 0; i < vocab; ++i) {
      sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(largest));
    }
    const auto at = static_cast<size_t>(row);
    options.logprobs[at] = static_cast<float>(static_cast<double>(logits[options.next[at]]) -
                                              static_cast<double>(largest) - std::log(sum));
  });
}

}  // namespace quarry
