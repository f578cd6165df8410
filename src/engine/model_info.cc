#include "quarry/model_info.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "attention/kv_rows.h"
#include "attention/method_set.h"
#include "base/checked_math.h"
#include "base/memory_info.h"
#include "format/hf_config.h"
#include "format/safetensors.h"
#include "tensor/dtype.h"

namespace quarry {
namespace {

std::string DescribeRope(const RopeSpec& r) {
  std::string out = fmt::format("base {:g}", r.base);
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
      out += ", LongRoPE";
      break;
  }
  return out;
}

}  // namespace

Result<ModelInfo> InspectModel(const std::filesystem::path& path) {
  Result<HfConfig> config = LoadHfConfig(path);
  if (!config.ok()) return config.status();
  Result<Checkpoint> checkpoint = Checkpoint::Open(path);
  if (!checkpoint.ok()) return checkpoint.status();

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
  info.native_context = config->max_position_embeddings;
  info.rope = DescribeRope(config->rope);
  info.tied_embeddings = config->tie_word_embeddings;
  info.notes = config->notes;
  std::set<std::string> dtypes;
  for (const std::string& name : checkpoint->names()) {
    const Result<TensorView> tensor = checkpoint->Find(name);
    if (!tensor.ok()) continue;  // a type that is not computed with, and not needed
    dtypes.insert(std::string(DTypeName(tensor->dtype)));
    info.parameters += tensor->n_elements();
    info.file_bytes += tensor->data.size();
  }
  info.dtypes.assign(dtypes.begin(), dtypes.end());
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
    plan.kv += static_cast<uint64_t>(blocks * kPanelsPerBlock * m.layers * m.kv_heads) *
               layout.panel_bytes[p];
  }
  plan.state = methods.StateBytes(shape, o.kv_dtype, o.tokens);

  const auto padded = [](int64_t n) { return RoundUp(n, 64); };
  const int64_t qkv = padded((m.heads + 2 * m.kv_heads) * m.head_dim);
  const int64_t layer = m.hidden_size * qkv + m.heads * m.head_dim * padded(m.hidden_size) +
                        2 * m.hidden_size * padded(m.intermediate_size) +
                        m.intermediate_size * padded(m.hidden_size);
  plan.weights = static_cast<uint64_t>(m.layers * layer + m.hidden_size * padded(m.vocab_size)) *
                 SizeOf(o.weight_dtype);

  const int64_t row = 3 * m.hidden_size + qkv + m.heads * m.head_dim + padded(m.intermediate_size) +
                      padded(m.hidden_size);
  constexpr uint64_t kPerThread = uint64_t{8} << 20;
  plan.work = static_cast<uint64_t>(row * std::min(o.chunk_size, o.tokens)) * sizeof(float) +
              kPerThread * static_cast<uint64_t>(o.threads);
  return plan;
}

uint64_t AvailableMemory() { return AvailableMemoryBytes(); }

}  // namespace quarry
