#include "engine/gguf_metadata.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "format/gguf_config.h"
#include "ops/rope_frequencies.h"

namespace quarry {
namespace {

// The ids that the format has for kinds of files.
uint32_t FileType(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return 0;
    case WeightType::kF16:
      return 1;
    case WeightType::kQ4_0:
      return 2;
    case WeightType::kQ8_0:
      return 7;
    case WeightType::kQ4_K:
      return 14;  // "small": no tensor with more bits but the tables
    default:
      return 32;  // bf16
  }
}

Status WriteRope(const HfConfig& c, const std::string& prefix, GgufBuilder& out,
                 std::vector<std::string>& notes) {
  const RopeSpec& rope = c.rope;
  const auto number = [&](std::string_view key, double value) {
    out.SetF32(fmt::format("{}.rope.{}", prefix, key), static_cast<float>(value));
  };
  out.SetU32(prefix + ".rope.dimension_count", static_cast<uint32_t>(rope.rotated_dims));
  number("freq_base", rope.base);
  const auto scaling = [&](std::string_view type) {
    out.SetString(prefix + ".rope.scaling.type", type);
  };
  const auto original = [&] {
    out.SetU32(prefix + ".rope.scaling.original_context_length",
               static_cast<uint32_t>(rope.original_max_positions));
  };
  switch (rope.kind) {
    case RopeKind::kDefault:
    case RopeKind::kLlama3:  // a tensor of factors
      break;
    case RopeKind::kLinear:
      scaling("linear");
      number("scaling.factor", rope.factor);
      break;
    case RopeKind::kDynamic:
      return Unsupported(
          "rope_scaling is dynamic, which a GGUF file cannot say: use another, or none");
    case RopeKind::kYarn: {
      scaling("yarn");
      number("scaling.factor", rope.factor);
      original();
      const double usual = rope.factor <= 1 ? 1.0 : 0.1 * std::log(rope.factor) + 1.0;
      number("scaling.attn_factor", rope.magnitude / usual);
      number("scaling.yarn_beta_fast", rope.beta_fast);
      number("scaling.yarn_beta_slow", rope.beta_slow);
      if (rope.beta_fast != 32 || rope.beta_slow != 1) {
        notes.push_back(
            fmt::format("YaRN's beta_fast {:g} and beta_slow {:g} are not llama.cpp's 32 "
                        "and 1, which it may use instead",
                        rope.beta_fast, rope.beta_slow));
      }
      if (!rope.truncate) {
        notes.emplace_back("rope_scaling.truncate is false, which a GGUF file cannot say");
      }
      break;
    }
    case RopeKind::kLongRope:
      // Files of Phi-3 are known by the two tensors alone.
      if (c.family != ModelFamily::kPhi3) scaling("longrope");
      original();
      number("scaling.attn_factor", rope.magnitude);
      break;
  }
  return OkStatus();
}

}  // namespace

Status WriteGgufMetadata(const HfConfig& c, WeightType type, GgufBuilder& out,
                         std::vector<std::string>& notes) {
  const std::string prefix(GgufArchitectureOf(c.family));
  const auto count = [&](std::string_view key, int64_t value) {
    out.SetU32(fmt::format("{}.{}", prefix, key), static_cast<uint32_t>(value));
  };
  const auto number = [&](std::string_view key, double value) {
    out.SetF32(fmt::format("{}.{}", prefix, key), static_cast<float>(value));
  };
  out.SetString("general.architecture", prefix);
  out.SetU32("general.file_type", FileType(type));
  out.SetU32("general.quantization_version", 2);
  count("vocab_size", c.vocab_size);
  count("context_length", c.max_position_embeddings);
  count("embedding_length", c.hidden_size);
  count("block_count", c.n_layers);
  count("feed_forward_length", c.intermediate_size);
  count("attention.head_count", c.n_heads);
  count("attention.head_count_kv", c.n_kv_heads);
  count("attention.key_length", c.head_dim);
  count("attention.value_length", c.head_dim);
  number("attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  const int64_t window =
      c.windows.empty() ? 0 : *std::max_element(c.windows.begin(), c.windows.end());
  if (window > 0 && c.family == ModelFamily::kPhi3) {
    count("attention.sliding_window", window);
    notes.push_back(
        fmt::format("llama.cpp does not apply the sliding window of {} tokens as Quarry "
                    "does: texts longer than it may be continued differently",
                    window));
  }
  if (window > 0 && c.family != ModelFamily::kPhi3) {
    notes.push_back(fmt::format(
        "the model's sliding window of {} tokens is left out: a GGUF file of {} has none", window,
        prefix));
  }
  if (c.family == ModelFamily::kMiniCpm) {
    number("embedding_scale", c.embedding_scale);
    number("residual_scale", c.residual_scale);
    number("logit_scale", c.logit_divisor);
  }
  return WriteRope(c, prefix, out, notes);
}

void WriteEndTokens(const std::filesystem::path& folder, const HfConfig& config,
                    std::optional<TokenId> own_eos, GgufBuilder& out) {
  const auto set = [&](const char* key, const std::vector<TokenId>& ids, size_t i) {
    if (i < ids.size() && !out.Has(key)) out.SetU32(key, static_cast<uint32_t>(ids[i]));
  };
  std::vector<TokenId> ends = config.eos_ids;
  const Result<GenerationConfig> generation = LoadGenerationConfig(folder);
  if (generation.ok() && !generation->eos_ids.empty()) ends = generation->eos_ids;
  std::erase_if(ends, [&](TokenId id) { return id >= config.vocab_size; });
  set("tokenizer.ggml.bos_token_id", config.bos_ids, 0);
  // The tokenizer's end token comes first, others beside it.
  if (own_eos) std::erase(ends, *own_eos);
  const size_t first = own_eos || out.Has("tokenizer.ggml.eos_token_id") ? 0 : 1;
  if (first == 1) set("tokenizer.ggml.eos_token_id", ends, 0);
  set("tokenizer.ggml.eot_token_id", ends, first);
  set("tokenizer.ggml.eom_token_id", ends, first + 1);
  set("tokenizer.ggml.padding_token_id", config.pad_ids, 0);
}

std::vector<double> GgufRopeFactors(const RopeSpec& rope) {
  std::vector<double> factors;
  if (rope.kind != RopeKind::kLlama3) return factors;
  for (int64_t p = 0; p < rope.rotated_dims / 2; ++p) {
    const double f =
        std::pow(rope.base, -2.0 * static_cast<double>(p) / static_cast<double>(rope.rotated_dims));
    factors.push_back(f / Llama3Frequency(rope, f));
  }
  return factors;
}

}  // namespace quarry
