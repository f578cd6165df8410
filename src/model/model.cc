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

// One run over the layers, with its buffers in the context's scratch memory: in the caller's scope.
class Model::Pass {
 public:
  // REQUIRES: every part's sequence has begun.
  Pass(const Model& model, std::span<const Part> parts, int64_t rows, ExecContext& ctx)
      : config_(model.config_),
        parts_(parts),
        ctx_(ctx),
        n_(rows),
        pieces_(CeilDiv(rows, kProductRows)),
        hidden_(config_.hidden_size),
        q_width_(config_.n_heads * config_.head_dim),
        kv_width_(config_.n_kv_heads * config_.head_dim),
        half_(parts[0].sequence->rope().pairs()) {
    const LayerWeights& first = model.weights_.layers[0];
    // Attention sees all rows together; the products around it take them in pieces of a like size.
    const int64_t piece_rows = CeilDiv(n_, pieces_);
    qkv_stride_ = OutputColumns(first.qkv, Epilogue::kStore);
    act_stride_ = OutputColumns(first.gate_up, Epilogue::kSiluMul);
    x_ = Take(n_, hidden_);
    qkv_ = Take(n_, qkv_stride_);
    attended_ = Take(n_, q_width_);
    cos_ = Take(n_, half_);
    sin_ = Take(n_, half_);
    normed_ = Take(piece_rows, hidden_);
    act_ = Take(piece_rows, act_stride_);
    added_ = Take(piece_rows, OutputColumns(first.o, Epilogue::kStore));

    ForParts([&](const Part& part, int64_t row, int64_t own) {
      model.Embed(part.tokens, ctx_, x_ + row * hidden_);
      part.sequence->rope().Angles(part.sequence->size(), own, cos_ + row * half_,
                                   sin_ + row * half_);
    });
  }

  // The residual stream, [rows][hidden].
  const float* x() const { return x_; }

  void Layer(int index, const LayerWeights& layer, Observer* observer) {
    ForPieces([&](int64_t row, int64_t rows) {
      Norm(ctx_, x_ + row * hidden_, layer.input_norm, config_.rms_norm_eps, rows, normed_);
      MatMul(layer.qkv, normed_, hidden_, rows, Epilogue::kStore, qkv_ + row * qkv_stride_,
             qkv_stride_, ctx_);
    });
    NormHeads(ctx_, layer.q_norm, config_.rms_norm_eps, config_.n_heads, n_, qkv_stride_, qkv_);
    NormHeads(ctx_, layer.k_norm, config_.rms_norm_eps, config_.n_kv_heads, n_, qkv_stride_,
              qkv_ + q_width_);
    if (observer != nullptr) {
      observer->OnQkv({.layer = index,
                       .first = parts_[0].sequence->size(),
                       .n = n_,
                       .q = qkv_,
                       .k = qkv_ + q_width_,
                       .v = qkv_ + q_width_ + kv_width_,
                       .stride = qkv_stride_});
    }
    Attend(index);
    ForPieces([&](int64_t row, int64_t rows) {
      float* residual = x_ + row * hidden_;
      AddProduct(layer.o, attended_ + row * q_width_, q_width_, layer.attention_norm, rows,
                 residual);
      Norm(ctx_, residual, layer.mlp_input_norm, config_.rms_norm_eps, rows, normed_);
      MatMul(layer.gate_up, normed_, hidden_, rows, Epilogue::kSiluMul, act_, act_stride_, ctx_);
      AddProduct(layer.down, act_, act_stride_, layer.mlp_norm, rows, residual);
    });
  }

  // The last rows of the parts that want logits, one after the other, in `to`; returns where those
  // logits belong.
  std::vector<std::span<float>> LastRows(float* to) const {
    std::vector<std::span<float>> logits;
    ForParts([&](const Part& part, int64_t row, int64_t own) {
      if (part.logits.empty()) return;
      std::copy_n(x_ + (row + own - 1) * hidden_, hidden_,
                  to + static_cast<int64_t>(logits.size()) * hidden_);
      logits.push_back(part.logits);
    });
    return logits;
  }

 private:
  float* Take(int64_t rows, int64_t width) {
    return ctx_.scratch().Take<float>(static_cast<size_t>(rows * width)).data();
  }

  // Calls use(part, its first row, its rows).
  template <typename Use>
  void ForParts(Use use) const {
    int64_t row = 0;
    for (const Part& part : parts_) {
      const auto own = static_cast<int64_t>(part.tokens.size());
      use(part, row, own);
      row += own;
    }
  }
  // Calls use(first row, rows) for every piece.
  template <typename Use>
  void ForPieces(Use use) const {
    for (int64_t i = 0; i < pieces_; ++i) {
      const Slice rows = SliceOf(n_, pieces_, i);
      use(rows.begin, rows.end - rows.begin);
    }
  }

  void Attend(int layer) {
    ForParts([&](const Part& part, int64_t row, int64_t own) {
      const float* q = qkv_ + row * qkv_stride_;
      part.sequence->Attend(layer,
                            {.n = static_cast<int>(own),
                             .q = q,
                             .k = q + q_width_,
                             .v = q + q_width_ + kv_width_,
                             .q_stride = qkv_stride_,
                             .kv_stride = qkv_stride_,
                             .cos = cos_ + row * half_,
                             .sin = sin_ + row * half_,
                             .out = attended_ + row * q_width_,
                             .out_stride = q_width_},
                            ctx_);
    });
  }

  // Adds in * w to rows of the residual stream; `norm`, if there is one, is applied to the product
  // before it is added.
  void AddProduct(const PackedMatrix& w, const float* in, int64_t in_stride,
                  const std::vector<float>& norm, int64_t rows, float* to) {
    // The stream is as wide as a padded product only if hidden is a multiple of a panel; otherwise
    // products go through a buffer.
    const int64_t width = w.padded_n();
    if (width == hidden_ && config_.residual_scale == 1.0 && norm.empty()) {
      MatMul(w, in, in_stride, rows, Epilogue::kAdd, to, hidden_, ctx_);
      return;
    }
    MatMul(w, in, in_stride, rows, Epilogue::kStore, added_, width, ctx_);
    NormHeads(ctx_, norm, config_.rms_norm_eps, 1, rows, width, added_);
    const auto scale = static_cast<float>(config_.residual_scale);
    ForRows(ctx_, rows, [&](int64_t row) {
      for (int64_t i = 0; i < hidden_; ++i) {
        to[row * hidden_ + i] += scale * added_[row * width + i];
      }
    });
  }

  const HfConfig& config_;
  const std::span<const Part> parts_;
  ExecContext& ctx_;
  const int64_t n_;  // rows of all parts
  const int64_t pieces_;
  const int64_t hidden_, q_width_, kv_width_;
  const int64_t half_;  // angles of a row
  int64_t qkv_stride_ = 0, act_stride_ = 0;
  float* x_ = nullptr;         // [n][hidden], the residual stream
  float* qkv_ = nullptr;       // [n][qkv_stride]
  float* attended_ = nullptr;  // [n][q_width]
  float* cos_ = nullptr;       // [n][half]
  float* sin_ = nullptr;
  float* normed_ = nullptr;  // of one piece: [rows][hidden]
  float* act_ = nullptr;     // [rows][act_stride]
  float* added_ = nullptr;   // [rows][hidden, padded]
};

Status Model::Run(std::span<const Part> parts, ExecContext& ctx,
                  const ForwardOptions& options) const {
  int64_t n = 0;
  for (const Part& part : parts) {
    const auto own = static_cast<int64_t>(part.tokens.size());
    if (const Status s = part.sequence->Begin(own, options.phase); !s.ok()) return s;
    n += own;
  }
  Scratch::Scope scope(ctx.scratch());
  Pass pass(*this, parts, n, ctx);
  const auto show = [&](size_t layers) {
    if (options.observer == nullptr) return;
    options.observer->OnState(static_cast<int>(layers),
                              {pass.x(), static_cast<size_t>(n * config_.hidden_size)});
  };
  show(0);
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    if (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped between layers");
    }
    pass.Layer(static_cast<int>(i), weights_.layers[i], options.observer);
    show(i + 1);
  }
  for (const Part& part : parts) part.sequence->End(static_cast<int64_t>(part.tokens.size()));

  if (!options.next.empty()) Score(pass.x(), ctx, options);
  if (options.all_logits) {
    if (!parts[0].logits.empty()) Logits(pass.x(), n, ctx, options.observer, parts[0].logits);
    return OkStatus();
  }
  float* last =
      ctx.scratch().Take<float>(parts.size() * static_cast<size_t>(config_.hidden_size)).data();
  const std::vector<std::span<float>> logits = pass.LastRows(last);
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
