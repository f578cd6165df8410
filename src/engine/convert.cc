#include "quarry/convert.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "quarry/tokenizer.h"

#include "base/caught.h"
#include "engine/gguf_metadata.h"
#include "format/gguf_config.h"
#include "format/gguf_write.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "tensor/quantize.h"
#include "text/tokenizer_gguf.h"

namespace quarry {
namespace {

// One tensor of the output and where its values come from.
struct Job {
  std::string source;         // a tensor of the checkpoint, or
  std::vector<float> values;  // numbers of the configuration
  int64_t paired_head = 0;    // rows of a head to put in the order of adjacent pairs; 0: none
};

// Row i of the output, of heads of n rows, is this row of the checkpoint: halves to adjacent pairs.
int64_t RowInHalves(int64_t i, int64_t n) {
  const int64_t in_head = i % n;
  return i - in_head + in_head % 2 * (n / 2) + in_head / 2;
}

// The type that rows of k values can have, at least as precise as asked for.
WeightType Fitting(WeightType type, int64_t k) {
  if (k % BlockOf(type).values == 0) return type;
  return k % 32 == 0 ? WeightType::kQ8_0 : WeightType::kF16;
}

class Converter {
 public:
  explicit Converter(const ConvertOptions& options) : options_(options) {}

  Status Run() {
    Result<ModelFiles> files = OpenModelFiles(options_.model);
    if (!files.ok()) return files.status();
    files_ = std::move(*files);
    if (Status s = CheckShapes(files_); !s.ok()) return s.WithPrefix(options_.model.string());
    if (Status s = WriteGgufMetadata(files_.config, options_.type, builder_, notes_); !s.ok()) {
      return s.WithPrefix(options_.model.string());
    }
    if (Status s = text::WriteGgufTokenizer(options_.model, files_.config.vocab_size, builder_);
        !s.ok()) {
      return s.WithPrefix(options_.model.string());
    }
    const Result<Tokenizer> tokenizer = Tokenizer::Load(options_.model);
    if (!tokenizer.ok()) return tokenizer.status();
    WriteEndTokens(options_.model, files_.config, tokenizer->eos_id(), builder_);
    if (Status s = PlanTensors(); !s.ok()) return s;
    for (const std::string& note : notes_) {
      if (options_.log) options_.log(LogLevel::kInfo, note);
    }
    return WriteGguf(options_.output, builder_,
                     [&](size_t i, GgufSink sink) { return Produce(i, sink); });
  }

 private:
  bool Has(const std::string& name) const {
    return !name.empty() && files_.tensors->Contains(name);
  }

  Status Add(const std::string& from, const std::string& to, int64_t paired_head = 0) {
    if (from.empty()) return OkStatus();
    const Result<WeightView> view = files_.tensors->Find(from);
    if (!view.ok()) return view.status();
    const bool vector = view->shape.size() == 1;
    const bool table = to == "token_embd.weight" || to == "output.weight";
    WeightType type = vector ? WeightType::kF32 : options_.type;
    if (table && IsQuantized(type)) type = WeightType::kQ8_0;
    const int64_t k = view->shape.back();
    if (const WeightType fitting = Fitting(type, k); fitting != type) {
      notes_.push_back(fmt::format("{}: rows of {} values cannot be {}, written as {}", to, k,
                                   WeightTypeName(type), WeightTypeName(fitting)));
      type = fitting;
    }
    jobs_.push_back({from, {}, paired_head});
    return builder_.AddTensor(to, type, {view->shape.begin(), view->shape.end()});
  }

  Status AddValues(const std::vector<double>& values, const char* to) {
    if (values.empty()) return OkStatus();
    jobs_.push_back({"", {values.begin(), values.end()}, 0});
    return builder_.AddTensor(to, WeightType::kF32, {static_cast<int64_t>(values.size())});
  }

  Status PlanTensors() {
    const HfConfig& c = files_.config;
    // The same names the other way round: what the family calls a tensor, and what a file does.
    const bool fused = !files_.names.layers.front().qkv.empty();
    const ModelNames out = GgufNames(c, [&](std::string_view) { return fused; });
    const int64_t head = GgufPermutesHeads(c.family) ? c.head_dim : 0;
    Status s;
    const auto add = [&](const std::string& from, const std::string& to, int64_t paired = 0) {
      if (s.ok()) s = Add(from, to, paired);
    };
    add(files_.names.embeddings, out.embeddings);
    if (s.ok()) s = AddValues(GgufRopeFactors(c.rope), "rope_freqs.weight");
    if (s.ok() && c.rope.kind == RopeKind::kLongRope) {
      s = AddValues(c.rope.long_factor, "rope_factors_long.weight");
      if (s.ok()) s = AddValues(c.rope.short_factor, "rope_factors_short.weight");
    }
    for (size_t i = 0; i < out.layers.size(); ++i) {
      const LayerNames& from = files_.names.layers[i];
      const LayerNames& to = out.layers[i];
      add(from.input_norm, to.input_norm);
      add(from.q, to.q, head);
      add(from.q_bias, to.q_bias, head);
      add(from.k, to.k, head);
      add(from.k_bias, to.k_bias, head);
      add(from.v, to.v);
      add(from.v_bias, to.v_bias);
      add(from.qkv, to.qkv);
      add(from.qkv_bias, to.qkv_bias);
      add(from.q_norm, to.q_norm);
      add(from.k_norm, to.k_norm);
      add(from.o, to.o);
      add(from.o_bias, to.o_bias);
      add(from.attention_norm, to.attention_norm);
      add(from.mlp_input_norm, to.mlp_input_norm);
      add(from.gate, to.gate);
      add(from.gate_bias, to.gate_bias);
      add(from.up, to.up);
      add(from.up_bias, to.up_bias);
      add(from.gate_up, to.gate_up);
      add(from.gate_up_bias, to.gate_up_bias);
      add(from.down, to.down);
      add(from.down_bias, to.down_bias);
      add(from.mlp_norm, to.mlp_norm);
    }
    add(files_.names.final_norm, out.final_norm);
    if (!c.tie_word_embeddings && Has(files_.names.lm_head)) {
      add(files_.names.lm_head, out.lm_head);
    }
    return s;
  }

  Status Produce(size_t i, GgufSink sink) {
    if (options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed)) {
      return Cancelled("stopped, nothing was written");
    }
    const Job& job = jobs_[i];
    const GgufBuilder::Tensor& t = builder_.tensors()[i];
    Status s =
        job.source.empty() ? sink(std::as_bytes(std::span(job.values))) : ProduceRows(job, t, sink);
    written_ += t.bytes;
    if (s.ok() && options_.progress) options_.progress(written_, builder_.data_bytes());
    return s;
  }

  Status ProduceRows(const Job& job, const GgufBuilder::Tensor& t, GgufSink sink) {
    const Result<WeightView> view = files_.tensors->Find(job.source);
    if (!view.ok()) return view.status();
    // A vector with rows to reorder has rows of one value.
    const bool vector = t.shape.size() == 1 && job.paired_head != 0;
    const int64_t k = vector ? 1 : t.shape.back();
    const int64_t rows = view->n_elements() / k;
    const int64_t from_bytes = RowBytes(view->type, k), to_bytes = RowBytes(t.type, k);
    std::vector<float> wide(static_cast<size_t>(k));
    // A few rows at a time, so that writes are not tiny.
    const int64_t rows_at_once = std::max<int64_t>(1, (1 << 20) / std::max<int64_t>(1, to_bytes));
    std::vector<std::byte> out;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t from = job.paired_head == 0 ? row : RowInHalves(row, job.paired_head);
      DequantizeRow(view->type, view->data.data() + from * from_bytes, k, wide.data());
      out.resize(out.size() + static_cast<size_t>(to_bytes));
      QuantizeRow(t.type, wide.data(), k, out.data() + out.size() - to_bytes);
      if ((row + 1) % rows_at_once != 0 && row + 1 != rows) continue;
      if (Status s = sink(out); !s.ok()) return s;
      out.clear();
    }
    return OkStatus();
  }

  const ConvertOptions& options_;
  ModelFiles files_;
  GgufBuilder builder_;
  std::vector<Job> jobs_;  // one for each tensor of the builder
  std::vector<std::string> notes_;
  uint64_t written_ = 0;
};

}  // namespace

Status ConvertToGguf(const ConvertOptions& options) {
  if (!CanQuantizeTo(options.type)) {
    return InvalidArgument(
        fmt::format("type is {}, must be one of f32, f16, bf16, q8_0, q4_0, q4_k",
                    WeightTypeName(options.type)));
  }
  if (IsGgufPath(options.model)) {
    return InvalidArgument(fmt::format("{}: is a GGUF file, only model folders are converted",
                                       options.model.string()));
  }
  try {
    return Converter(options).Run();
  } catch (...) {
    return CaughtStatus(fmt::format("{}: no memory to convert it", options.model.string()));
  }
}

}  // namespace quarry
