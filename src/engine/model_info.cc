#include "quarry/model_info.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "attention/kv_rows.h"
#include "attention/method_set.h"
#include "base/checked_math.h"
#include "base/memory_info.h"
#include "model/families/families.h"
#include "model/model.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "tensor/weight_type.h"

namespace quarry {
namespace {

std::string DescribeRope(const RopeSpec& r, int64_t head_dim) {
  std::string out = fmt::format("base {}", r.base);
  switch (r.kind) {
    case RopeKind::kDefault:
      break;
    case RopeKind::kLinear:
      out += fmt::format(", linear scaling by {:g}", r.factor);
      break;
    case RopeKind::kDynamic:
      out += fmt::format(", dynamic scaling by {:g}", r.factor);
      break;
    case RopeKind::kLlama3:
      out += fmt::format(", llama3 scaling by {:g}", r.factor);
      break;
    case RopeKind::kYarn:
      out += fmt::format(", YaRN scaling by {:g}", r.factor);
      break;
    case RopeKind::kLongRope:
      out +=
          fmt::format(", LongRoPE with other factors beyond {} tokens", r.original_max_positions);
      break;
  }
  if (r.magnitude != 1) out += fmt::format(", magnitude {:.6g}", r.magnitude);
  if (r.rotated_dims != head_dim) {
    out += fmt::format(", {} of {} channels", r.rotated_dims, head_dim);
  }
  if (r.adjacent_pairs) out += ", adjacent pairs";
  return out;
}

std::vector<std::string> DescribeFeatures(const HfConfig& c, const ModelNames& names) {
  std::vector<std::string> out;
  std::vector<std::string_view> biases;
  if (c.qkv_bias) biases.push_back("q, k, v");
  if (c.o_bias) biases.push_back("attention's output");
  if (c.mlp_bias) biases.push_back("the MLP");
  if (!biases.empty()) out.push_back(fmt::format("biases of {}", fmt::join(biases, ", ")));
  const LayerNames& layer = names.layers.front();
  if (!layer.q_norm.empty()) out.emplace_back("RMSNorm of every q and k head");
  if (!layer.mlp_norm.empty()) out.emplace_back("RMSNorm of both branches' outputs");
  if (c.embedding_scale != 1) {
    out.push_back(fmt::format("embeddings times {:g}", c.embedding_scale));
  }
  if (c.residual_scale != 1) {
    out.push_back(fmt::format("branches times {:.6g}", c.residual_scale));
  }
  if (c.logit_divisor != 1) {
    out.push_back(fmt::format("final hidden state divided by {:g}", c.logit_divisor));
  }
  return out;
}

// YaRN is often added to a configuration whose max_position_embeddings stays what it was.
int64_t NativeContext(const HfConfig& c) {
  if (c.rope.kind != RopeKind::kYarn) return c.max_position_embeddings;
  const double extended = c.rope.factor * static_cast<double>(c.rope.original_max_positions);
  return std::max(c.max_position_embeddings, static_cast<int64_t>(extended));
}

// "3 tensors are not used, such as x"
void NoteTensors(const std::vector<std::string>& names, std::string_view what,
                 std::vector<std::string>& notes) {
  if (names.size() == 1) notes.push_back(fmt::format("tensor {} is {}", names[0], what));
  if (names.size() > 1) {
    notes.push_back(fmt::format("{} tensors are {}, such as {}", names.size(), what, names[0]));
  }
}

// Bytes of `held` elements of matrices: the quantised share of the file as it is, the rest as the
// options say.
uint64_t WeightBytes(const ModelInfo& m, const MemoryPlanOptions& o, int64_t held) {
  const WeightBlock block = BlockOf(o.quantize.value_or(WeightTypeOf(o.weight_dtype)));
  const double per_element = static_cast<double>(block.bytes) / block.values;
  const double unquantized = static_cast<double>(m.matrix_parameters - m.quantized_parameters);
  const double in_all = std::max(1.0, static_cast<double>(m.matrix_parameters));
  const double bytes = static_cast<double>(m.quantized_bytes) + unquantized * per_element;
  return static_cast<uint64_t>(static_cast<double>(held) * bytes / in_all);
}

}  // namespace

Result<ModelInfo> InspectModel(const std::filesystem::path& path) {
  const Result<ModelFiles> files = OpenModelFiles(path);
  if (!files.ok()) return files.status();
  const HfConfig* config = &files->config;

  ModelInfo info;
  info.architecture = config->architecture;
  info.model_type = config->model_type;
  info.layers = config->n_layers;
  info.hidden_size = config->hidden_size;
  info.heads = config->n_heads;
  info.kv_heads = config->n_kv_heads;
  info.head_dim = config->head_dim;
  info.intermediate_size = config->intermediate_size;
  info.vocab_size = config->vocab_size;
  info.native_context = NativeContext(*config);
  info.rope = DescribeRope(config->rope, config->head_dim);
  info.features = DescribeFeatures(*config, files->names);
  info.tied_embeddings =
      config->tie_word_embeddings || !files->tensors->Contains(files->names.lm_head);
  for (int64_t window : config->windows) {
    if (window == 0) continue;
    info.sliding_window = window;  // the same in all layers that slide
    ++info.sliding_layers;
  }
  info.notes = config->notes;
  info.weight_dtype = HeldDType(*files->tensors);
  const TensorCheck check = CheckTensors(*files);
  NoteTensors(check.missing, "missing: the model cannot be run", info.notes);
  NoteTensors(check.unused, "not used by this architecture", info.notes);
  std::set<std::string> dtypes;
  int64_t refused = 0;
  std::string first_refused;
  for (const std::string& name : files->tensors->names()) {
    if (IsIgnoredTensor(name)) continue;  // frequencies
    const Result<WeightView> tensor = files->tensors->Find(name);
    if (!tensor.ok()) {
      if (refused++ == 0) first_refused = tensor.status().message();
      continue;
    }
    dtypes.insert(std::string(WeightTypeName(tensor->type)));
    info.parameters += tensor->n_elements();
    info.file_bytes += tensor->data.size();
    // Vectors are small, and not held as they are in the file.
    if (tensor->shape.size() < 2) continue;
    info.matrix_parameters += tensor->n_elements();
    if (!IsQuantized(tensor->type)) continue;
    info.quantized_parameters += tensor->n_elements();
    info.quantized_bytes += tensor->data.size();
  }
  info.dtypes.assign(dtypes.begin(), dtypes.end());
  if (refused > 0) {
    info.notes.push_back(
        fmt::format("{} tensors cannot be read and are not counted: {}", refused, first_refused));
  } else if (check.missing.empty()) {
    if (const Status s = CheckShapes(*files); !s.ok()) {
      info.notes.push_back(fmt::format("{}: the model cannot be run", s.message()));
    }
  }
  return info;
}

MemoryPlan PlanMemory(const ModelInfo& m, const AttentionSetup& attention,
                      const MemoryPlanOptions& o) {
  const ModelShape shape = {static_cast<int>(m.layers), static_cast<int>(m.heads),
                            static_cast<int>(m.kv_heads), static_cast<int>(m.head_dim)};
  const MethodSet methods(attention, shape.layers);
  const MethodNeeds& needs = methods.needs();
  const KvLayout layout = MakeKvLayout(shape, o.kv_dtype, needs.planes);
  MemoryPlan plan;
  for (size_t p = 0; p < kKvPlanes; ++p) {
    const PlaneRule& rule = needs.planes[p];
    if (!rule.stored) continue;
    int64_t tokens = o.tokens;
    if (rule.keep_last != PlaneRule::kAll) {
      // Whole blocks at both ends, and the chunk that is being read.
      tokens =
          std::min(tokens, rule.keep_first + rule.keep_last + o.chunk_size + 2 * kTokensPerBlock);
    }
    const int64_t blocks = CeilDiv(tokens, kTokensPerBlock);
    const auto heads = static_cast<uint64_t>(kPanelsPerBlock * m.layers * m.kv_heads);
    const uint64_t panels = SaturatingMul(static_cast<uint64_t>(blocks), heads);
    // More than any machine has, and room for sums.
    constexpr uint64_t kMost = uint64_t{1} << 62;
    plan.kv =
        std::min(kMost, plan.kv + std::min(kMost, SaturatingMul(panels, layout.panel_bytes[p])));
  }
  plan.state = methods.StateBytes(shape, o.kv_dtype, o.tokens);

  const auto padded = [](int64_t n) { return RoundUp(n, 64); };
  const int64_t qkv = padded((m.heads + 2 * m.kv_heads) * m.head_dim);
  const int64_t layer = m.hidden_size * qkv + m.heads * m.head_dim * padded(m.hidden_size) +
                        2 * m.hidden_size * padded(m.intermediate_size) +
                        m.intermediate_size * padded(m.hidden_size);
  plan.weights = WeightBytes(m, o, m.layers * layer + m.hidden_size * padded(m.vocab_size));

  const int64_t rows = std::min(o.chunk_size, o.tokens);
  const int64_t attending = m.hidden_size + qkv + m.heads * m.head_dim + m.head_dim;
  const int64_t products = m.hidden_size + padded(m.intermediate_size) + padded(m.hidden_size);
  constexpr uint64_t kPerThread = uint64_t{8} << 20;
  plan.work = static_cast<uint64_t>(rows * attending + std::min(rows, kProductRows) * products) *
                  sizeof(float) +
              kPerThread * static_cast<uint64_t>(o.threads);
  return plan;
}

uint64_t AvailableMemory() { return AvailableMemoryBytes(); }

}  // namespace quarry
