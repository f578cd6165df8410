#include "model/weights.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/families/families.h"
#include "model/rotary_order.h"
#include "model/tensor_reader.h"

namespace quarry {
namespace {

using Vectors = std::vector<std::vector<float>>;

// Parts of a linear layer, from tensors of their own or from the rows of one.
struct Parts {
  std::vector<MatrixRows> rows;
  Vectors bias;  // as many as rows; empty: none
};

struct PartNames {
  std::vector<std::string> weights, biases;  // empty strings if the parts are fused
  std::string fused, fused_bias;
};

Parts ReadParts(TensorReader& reader, const PartNames& names, const std::vector<int64_t>& sizes,
                int64_t k) {
  Parts parts;
  if (names.fused.empty()) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      parts.rows.push_back(reader.Rows(names.weights[i], sizes[i], k));
      if (!names.biases[i].empty()) parts.bias.push_back(reader.Vector(names.biases[i], sizes[i]));
    }
    return parts;
  }
  int64_t total = 0;
  for (int64_t n : sizes) total += n;
  const MatrixRows all = reader.Rows(names.fused, total, k);
  const std::vector<float> bias = reader.Vector(names.fused_bias, total);
  if (!reader.status().ok()) return parts;
  int64_t begin = 0;
  for (int64_t n : sizes) {
    parts.rows.push_back(SliceRows(all, begin, n, k));
    if (!bias.empty()) {
      parts.bias.emplace_back(bias.begin() + begin, bias.begin() + begin + n);
    }
    begin += n;
  }
  return parts;
}

// The rows of q, k and v with the channels of every head of q and k in `order`.
PackedMatrix PackQkv(Parts parts, int64_t k, std::span<const int64_t> order,
                     const PackTarget& target) {
  std::vector<MatrixRows> rows;
  for (size_t i : {0u, 1u}) AppendHeads(parts.rows[i], k, order, rows);
  rows.push_back(parts.rows[2]);
  PackedMatrix packed = PackedMatrix::Stack(rows, k, target);
  if (parts.bias.empty()) return packed;
  for (size_t i : {0u, 1u}) parts.bias[i] = OrderHeads(parts.bias[i], order);
  packed.SetStackedBias(parts.bias);
  return packed;
}

PackedMatrix PackOne(const Parts& parts, int64_t k, const PackTarget& target) {
  PackedMatrix packed = PackedMatrix::Stack(parts.rows, k, target);
  if (!parts.bias.empty()) packed.SetStackedBias(parts.bias);
  return packed;
}

// A layer's tensors as they lie in the file.
struct LayerTensors {
  std::vector<float> input_norm, q_norm, k_norm, attention_norm, mlp_input_norm, mlp_norm;
  Parts qkv, o, mlp, down;
};

LayerTensors ReadLayer(TensorReader& reader, const LayerNames& names, const HfConfig& c) {
  const int64_t q_rows = c.n_heads * c.head_dim;
  const int64_t kv_rows = c.n_kv_heads * c.head_dim;
  const int64_t hidden = c.hidden_size, inner = c.intermediate_size;
  LayerTensors t;
  t.input_norm = reader.Vector(names.input_norm, hidden);
  t.qkv = ReadParts(reader,
                    {{names.q, names.k, names.v},
                     {names.q_bias, names.k_bias, names.v_bias},
                     names.qkv,
                     names.qkv_bias},
                    {q_rows, kv_rows, kv_rows}, hidden);
  t.q_norm = reader.Vector(names.q_norm, c.head_dim);
  t.k_norm = reader.Vector(names.k_norm, c.head_dim);
  t.o = ReadParts(reader, {{names.o}, {names.o_bias}, "", ""}, {hidden}, q_rows);
  t.attention_norm = reader.Vector(names.attention_norm, hidden);
  t.mlp_input_norm = reader.Vector(names.mlp_input_norm, hidden);
  t.mlp = ReadParts(
      reader,
      {{names.gate, names.up}, {names.gate_bias, names.up_bias}, names.gate_up, names.gate_up_bias},
      {inner, inner}, hidden);
  t.down = ReadParts(reader, {{names.down}, {names.down_bias}, "", ""}, {hidden}, inner);
  t.mlp_norm = reader.Vector(names.mlp_norm, hidden);
  return t;
}

LayerWeights PackLayer(LayerTensors t, const HfConfig& c, const PackTarget& target) {
  const int64_t hidden = c.hidden_size;
  const std::vector<int64_t> order = ChannelOrder(c.rope, c.head_dim);
  LayerWeights w;
  w.input_norm = std::move(t.input_norm);
  w.qkv = PackQkv(std::move(t.qkv), hidden, order, target);
  w.q_norm = OrderHeads(t.q_norm, order);
  w.k_norm = OrderHeads(t.k_norm, order);
  w.o = PackOne(t.o, c.n_heads * c.head_dim, target);
  w.attention_norm = std::move(t.attention_norm);
  w.mlp_input_norm = std::move(t.mlp_input_norm);
  w.gate_up = PackedMatrix::Interleave(t.mlp.rows[0], t.mlp.rows[1], hidden, target);
  if (!t.mlp.bias.empty()) w.gate_up.SetInterleavedBias(t.mlp.bias[0], t.mlp.bias[1]);
  w.down = PackOne(t.down, c.intermediate_size, target);
  w.mlp_norm = std::move(t.mlp_norm);
  return w;
}

struct ModelTensors {
  WeightView embeddings;
  std::vector<float> final_norm;
  MatrixRows head;
  std::vector<LayerTensors> layers;
};

Result<ModelTensors> ReadTensors(const ModelFiles& files) {
  const HfConfig& config = files.config;
  const ModelNames& names = files.names;
  TensorReader reader(*files.tensors, config.architecture);
  const int64_t vocab = config.vocab_size, hidden = config.hidden_size;
  ModelTensors t;
  t.embeddings = reader.Tensor(names.embeddings, {vocab, hidden});
  t.final_norm = reader.Vector(names.final_norm, hidden);
  const bool tied = config.tie_word_embeddings || !reader.Contains(names.lm_head);
  t.head = reader.Rows(tied ? names.embeddings : names.lm_head, vocab, hidden);
  for (const LayerNames& layer : names.layers) {
    t.layers.push_back(ReadLayer(reader, layer, config));
    if (!reader.status().ok()) return reader.status();
  }
  return t;
}

}  // namespace

size_t ModelWeights::size_bytes() const {
  size_t bytes = lm_head.size_bytes();
  for (const LayerWeights& l : layers) {
    bytes += l.qkv.size_bytes() + l.o.size_bytes() + l.gate_up.size_bytes() + l.down.size_bytes();
  }
  return bytes;
}

DType HeldDType(const TensorSource& tensors) {
  std::optional<DType> held;
  for (const std::string& name : tensors.names()) {
    const Result<WeightView> t = tensors.Find(name);
    if (!t.ok() || t->shape.size() < 2 || IsQuantized(t->type)) continue;
    const DType dtype = t->type == WeightType::kF16    ? DType::kF16
                        : t->type == WeightType::kBF16 ? DType::kBF16
                                                       : DType::kF32;
    if (held.value_or(dtype) != dtype) return DType::kF32;
    held = dtype;
  }
  return held.value_or(DType::kF32);
}

Result<ModelWeights> LoadWeights(const ModelFiles& files, const PackTarget& target) {
  Result<ModelTensors> tensors = ReadTensors(files);
  if (!tensors.ok()) return tensors.status();
  ModelWeights w;
  w.source = files.tensors;
  w.embeddings = tensors->embeddings;
  w.final_norm = std::move(tensors->final_norm);
  PackTarget head_target = target;
  if (IsQuantized(target.quantize)) head_target.quantize = WeightType::kQ8_0;
  w.lm_head = PackedMatrix::Stack({&tensors->head, 1}, files.config.hidden_size, head_target);
  for (LayerTensors& layer : tensors->layers) {
    w.layers.push_back(PackLayer(std::move(layer), files.config, target));
    w.source->ReleasePages();  // packed: the file need not be in memory a second time
  }
  return w;
}

Status CheckShapes(const ModelFiles& files) { return ReadTensors(files).status(); }

TensorCheck CheckTensors(const ModelFiles& files) {
  std::vector<std::string> read = TensorNames(files.names);
  std::sort(read.begin(), read.end());
  const std::vector<std::string>& there = files.tensors->names();
  TensorCheck check;
  std::set_difference(read.begin(), read.end(), there.begin(), there.end(),
                      std::back_inserter(check.missing));
  std::erase(check.missing, files.names.lm_head);
  std::set_difference(there.begin(), there.end(), read.begin(), read.end(),
                      std::back_inserter(check.unused));
  std::erase_if(check.unused, IsIgnoredTensor);
  return check;
}

}  // namespace quarry
