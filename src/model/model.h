// A decoder with its weights: immutable after loading, shared by all sequences.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "quarry/status.h"
#include "quarry/types.h"

#include "format/hf_config.h"
#include "model/sequence.h"
#include "model/weights.h"
#include "ops/exec_context.h"
#include "ops/rope.h"
#include "tensor/model_shape.h"

namespace quarry {

// Rows that the matrix products of a layer take at once: enough for their speed, so that a long
// chunk needs their buffers for some of its rows only.
inline constexpr int64_t kProductRows = 1024;

class Model {
 public:
  // `path`: a folder with config.json and safetensors, or a GGUF file. Quantised weights stay as
  // they are in the file. Others are held as `dtype` (kF32, kF16 or kBF16; unset: see HeldDType),
  // or quantised to `quantize` (kQ8_0, kQ4_0 or kQ4_K). `threads` help to pack them; null: none.
  static Result<std::shared_ptr<const Model>> Load(
      const std::filesystem::path& path, std::optional<DType> dtype = std::nullopt,
      std::optional<WeightType> quantize = std::nullopt, ThreadPool* threads = nullptr);

  const HfConfig& config() const { return config_; }
  const ModelShape& shape() const { return shape_; }
  DType weight_dtype() const { return dtype_; }
  size_t weight_bytes() const { return weights_.size_bytes(); }

  // Sees what a forward pass computes on its way: for tests and traces.
  class Observer {
   public:
    virtual ~Observer() = default;
    // The residual stream, [n][hidden]: after 0 layers (the embeddings), 1, ...
    virtual void OnState(int /*layers*/, std::span<const float> /*x*/) {}
    // What one layer's attention is given, before it attends: rows of tokens [first, first + n).
    // Queries and keys after biases and norms of heads and before the rotary embedding.
    struct Qkv {
      int layer = 0;
      TokenPos first = 0;
      int64_t n = 0;
      const float* q = nullptr;  // [n][stride], heads * head_dim used
      const float* k = nullptr;  // [n][stride], kv_heads * head_dim used
      const float* v = nullptr;  // the same
      int64_t stride = 0;
    };
    virtual void OnQkv(const Qkv& /*rows*/) {}
    // The final norm's output of rows from `first_row` on, counted among those that get logits.
    virtual void OnFinalNorm(int64_t /*first_row*/, std::span<const float> /*x*/) {}
  };

  struct ForwardOptions {
    Phase phase = Phase::kPrefill;
    bool all_logits = false;  // of every token, not only the last
    Observer* observer = nullptr;
    // Looked at between layers. A forward pass that was stopped leaves the sequence unusable.
    const std::atomic<bool>* cancel = nullptr;
    // If given, logprobs[i] becomes the natural logarithm of the probability of next[i] after
    // tokens[i] and all before it. Not more than tokens; ids in [0, vocab); sizes are equal.
    std::span<const TokenId> next = {};
    std::span<float> logprobs = {};
  };
  // Feeds `tokens` to the sequence. logits: [vocab] of the last token, or [n][vocab].
  // REQUIRES: ids in [0, vocab); logits of that size, or empty: then none are computed.
  Status Forward(std::span<const TokenId> tokens, Sequence& sequence, ExecContext& ctx,
                 std::span<float> logits, const ForwardOptions& options) const;

  // Tokens of one sequence, of several that go through the model together.
  struct Part {
    std::span<const TokenId> tokens;  // not empty
    Sequence* sequence = nullptr;
    std::span<float> logits = {};  // [vocab] of the last token; empty: none are computed
  };
  // Feeds every part's tokens to its sequence. The weights are read once for all of them; up to
  // kGemvMaxRows tokens in all, results are those of one part at a time. If memory for keys and
  // values cannot be had, no sequence is changed.
  Status Forward(std::span<const Part> parts, ExecContext& ctx, Phase phase) const;

 private:
  class Pass;

  Model() = default;
  // REQUIRES: one part, if options ask for anything but a phase.
  Status Run(std::span<const Part> parts, ExecContext& ctx, const ForwardOptions& options) const;
  void Embed(std::span<const TokenId> tokens, ExecContext& ctx, float* x) const;
  void Logits(const float* x, int64_t n, ExecContext& ctx, Observer* observer,
              std::span<float> logits) const;
  void Score(const float* x, ExecContext& ctx, const ForwardOptions& options) const;
  // Calls use(row, logits of it) for rows [0, n) of x, from several threads, some rows at a time.
  template <typename Use>
  void ForLogits(const float* x, int64_t n, ExecContext& ctx, Observer* observer, Use use) const;

  HfConfig config_;
  ModelShape shape_;
  DType dtype_ = DType::kF32;
  ModelWeights weights_;
};

}  // namespace quarry
