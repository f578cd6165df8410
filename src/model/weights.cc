#include "model/weights.h"

#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/families/families.h"
#include "tensor/dtype.h"

namespace quarry {
namespace {

// Reads tensors with an expected shape; the first error sticks and later calls return nothing.
class Reader {
 public:
  explicit Reader(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  const Status& status() const { return status_; }

  TensorView Tensor(const std::string& name, std::vector<int64_t> shape) {
    if (!status_.ok()) return {};
    Result<TensorView> found = checkpoint_.Find(name);
    if (!found.ok()) {
      status_ = found.status();
      return {};
    }
    if (!std::equal(found->shape.begin(), found->shape.end(), shape.begin(), shape.end())) {
      status_ = CorruptData(fmt::format("tensor {} has shape [{}], config.json implies [{}]", name,
                                        fmt::join(found->shape.begin(), found->shape.end(), ", "),
                                        fmt::join(shape, ", ")));
      return {};
    }
    return *found;
  }

  MatrixRows Rows(const std::string& name, int64_t n, int64_t k) {
    const TensorView t = Tensor(name, {n, k});
    return {t.data.data(), t.dtype, status_.ok() ? n : 0};
  }

  // An empty name gives an empty vector.
  std::vector<float> Vector(const std::string& name, int64_t n) {
    if (name.empty()) return {};
    const TensorView t = Tensor(name, {n});
    if (!status_.ok()) return {};
    std::vector<float> out(static_cast<size_t>(n));
    for (size_t i = 0; i < out.size(); ++i) {
      const std::byte* p = t.data.data() + i * SizeOf(t.dtype);
      uint16_t bits;
      if (t.dtype == DType::kF32) {
        std::memcpy(&out[i], p, 4);
        continue;
      }
      std::memcpy(&bits, p, 2);
      out[i] = t.dtype == DType::kBF16 ? ToFloat(BFloat16{bits}) : ToFloat(Float16{bits});
    }
    return out;
  }

 private:
  const Checkpoint& checkpoint_;
  Status status_;
};

LayerWeights LoadLayer(Reader& reader, const LayerNames& names, const HfConfig& c, DType dtype) {
  const int64_t q_rows = c.n_heads * c.head_dim;
  const int64_t kv_rows = c.n_kv_heads * c.head_dim;
  const int64_t hidden = c.hidden_size, inner = c.intermediate_size;
  LayerWeights w;
  w.input_norm = reader.Vector(names.input_norm, hidden);
  w.post_norm = reader.Vector(names.post_norm, hidden);
  const MatrixRows qkv[] = {reader.Rows(names.q, q_rows, hidden),
                            reader.Rows(names.k, kv_rows, hidden),
                            reader.Rows(names.v, kv_rows, hidden)};
  const MatrixRows o[] = {reader.Rows(names.o, hidden, q_rows)};
  const MatrixRows gate = reader.Rows(names.gate, inner, hidden);
  const MatrixRows up = reader.Rows(names.up, inner, hidden);
  const MatrixRows down[] = {reader.Rows(names.down, hidden, inner)};
  const std::vector<float> qkv_bias[] = {reader.Vector(names.q_bias, q_rows),
                                         reader.Vector(names.k_bias, kv_rows),
                                         reader.Vector(names.v_bias, kv_rows)};
  const std::vector<float> o_bias[] = {reader.Vector(names.o_bias, hidden)};
  const std::vector<float> gate_bias = reader.Vector(names.gate_bias, inner);
  const std::vector<float> up_bias = reader.Vector(names.up_bias, inner);
  const std::vector<float> down_bias[] = {reader.Vector(names.down_bias, hidden)};
  if (!reader.status().ok()) return w;

  w.qkv = PackedMatrix::Stack(qkv, hidden, dtype);
  w.o = PackedMatrix::Stack(o, q_rows, dtype);
  w.gate_up = PackedMatrix::Interleave(gate, up, hidden, dtype);
  w.down = PackedMatrix::Stack(down, inner, dtype);
  if (!names.q_bias.empty()) w.qkv.SetStackedBias(qkv_bias);
  if (!names.o_bias.empty()) w.o.SetStackedBias(o_bias);
  if (!names.gate_bias.empty()) w.gate_up.SetInterleavedBias(gate_bias, up_bias);
  if (!names.down_bias.empty()) w.down.SetStackedBias(down_bias);
  return w;
}

}  // namespace

size_t ModelWeights::size_bytes() const {
  size_t bytes = lm_head.size_bytes();
  for (const LayerWeights& l : layers) {
    bytes += l.qkv.size_bytes() + l.o.size_bytes() + l.gate_up.size_bytes() + l.down.size_bytes();
  }
  return bytes;
}

Result<ModelWeights> LoadWeights(const std::filesystem::path& path, const HfConfig& config,
                                 DType dtype) {
  Result<ModelNames> names = NamesOf(config);
  if (!names.ok()) return names.status();
  Result<Checkpoint> checkpoint = Checkpoint::Open(path);
  if (!checkpoint.ok()) return checkpoint.status();

  ModelWeights w;
  w.checkpoint = std::move(*checkpoint);
  Reader reader(w.checkpoint);
  const int64_t vocab = config.vocab_size, hidden = config.hidden_size;
  w.embeddings = reader.Tensor(names->embeddings, {vocab, hidden});
  w.final_norm = reader.Vector(names->final_norm, hidden);
  const bool tied = config.tie_word_embeddings || !w.checkpoint.Contains(names->lm_head);
  const MatrixRows head[] = {reader.Rows(tied ? names->embeddings : names->lm_head, vocab, hidden)};
  if (reader.status().ok()) w.lm_head = PackedMatrix::Stack(head, hidden, dtype);
  for (const LayerNames& layer : names->layers) {
    w.layers.push_back(LoadLayer(reader, layer, config, dtype));
    if (!reader.status().ok()) return reader.status();
  }
  return w;
}

}  // namespace quarry
