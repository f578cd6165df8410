#include "format/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "tensor/quantize.h"

namespace quarry {
namespace {

struct Architecture {
  std::string_view name;
  ModelFamily family;
  std::string_view hf_name;
};
// The first of a family is what files are written with.
constexpr Architecture kArchitectures[] = {
    {"llama", ModelFamily::kLlama, "LlamaForCausalLM"},
    {"llama", ModelFamily::kMistral, "MistralForCausalLM"},
    {"qwen2", ModelFamily::kQwen2, "Qwen2ForCausalLM"},
    {"qwen3", ModelFamily::kQwen3, "Qwen3ForCausalLM"},
    {"phi3", ModelFamily::kPhi3, "Phi3ForCausalLM"},
    {"chatglm", ModelFamily::kChatGlm, "ChatGLMModel"},
    {"chatglm", ModelFamily::kGlm, "GlmForCausalLM"},
    {"glm4", ModelFamily::kGlm4, "Glm4ForCausalLM"},
    {"minicpm", ModelFamily::kMiniCpm, "MiniCPMForCausalLM"},
};

class ConfigReader {
 public:
  ConfigReader(const GgufModel& model, Status& error)
      : model_(model), in_(model.metadata(), error), error_(error) {}

  HfConfig Run() {
    ReadArchitecture();
    if (error_.ok()) ReadCounts();
    if (error_.ok()) ReadRope();
    if (error_.ok()) ReadRest();
    return std::move(config_);
  }

 private:
  std::string Key(std::string_view name) const { return fmt::format("{}.{}", prefix_, name); }
  bool HasTensor(std::string_view name) const { return model_.Contains(name); }

  void ReadArchitecture() {
    prefix_ = std::string(in_.String("general.architecture"));
    if (!error_.ok()) return;
    const bool fused = HasTensor("blk.0.attn_qkv.weight");
    for (const Architecture& a : kArchitectures) {
      // Of two families with one name: llama files are read as Llama, chatglm by their tensors.
      if (a.name != prefix_ || (a.family == ModelFamily::kChatGlm && !fused)) continue;
      config_.family = a.family;
      config_.architecture = a.hf_name;
      config_.model_type = prefix_;
      break;
    }
    if (config_.architecture.empty()) {
      in_.Reject("general.architecture",
                 "must be one of llama, qwen2, qwen3, phi3, chatglm, glm4, minicpm",
                 StatusCode::kUnsupported);
    }
    if (in_.IntOr(Key("expert_count"), 0, 1 << 20, 0) > 0) {
      in_.Reject(Key("expert_count"), "must be absent or 0", StatusCode::kUnsupported);
    }
  }

  void ReadCounts() {
    HfConfig& c = config_;
    c.n_layers = in_.Int(Key("block_count"), 1, ConfigLimits::kLayers);
    c.hidden_size = in_.Int(Key("embedding_length"), 1, ConfigLimits::kHidden);
    const auto layers = static_cast<size_t>(c.n_layers);
    c.n_heads = in_.IntOrUniform(Key("attention.head_count"), layers, 1, ConfigLimits::kHeads,
                                 std::nullopt);
    c.n_kv_heads =
        in_.IntOrUniform(Key("attention.head_count_kv"), layers, 1, c.n_heads, c.n_heads);
    c.intermediate_size = in_.IntOrUniform(Key("feed_forward_length"), layers, 1,
                                           ConfigLimits::kIntermediate, std::nullopt);
    c.max_position_embeddings = in_.Int(Key("context_length"), 1, ConfigLimits::kPositions);
    if (!error_.ok()) return;
    if (c.n_heads % c.n_kv_heads != 0) {
      in_.Reject(Key("attention.head_count"),
                 fmt::format("must be a multiple of head_count_kv ({})", c.n_kv_heads));
    }
    const int64_t head_dim = in_.IntOr(Key("attention.key_length"), 1, ConfigLimits::kHeadDim,
                                       std::max<int64_t>(1, c.hidden_size / c.n_heads));
    c.head_dim = head_dim;
    if (in_.IntOr(Key("attention.value_length"), 1, ConfigLimits::kHeadDim, head_dim) != head_dim) {
      in_.Reject(Key("attention.value_length"), fmt::format("must be key_length ({})", head_dim),
                 StatusCode::kUnsupported);
    }
    if (!in_.Has(Key("attention.key_length")) && head_dim * c.n_heads != c.hidden_size) {
      in_.Reject(
          Key("embedding_length"),
          fmt::format("must be a multiple of head_count ({}) without key_length", c.n_heads));
    }
    c.rms_norm_eps = in_.NumberOr(Key("attention.layer_norm_rms_epsilon"), 1e-12, 1, 1e-5);
    const GgufValue* tokens = model_.metadata().FindKey("tokenizer.ggml.tokens");
    if (in_.Has(Key("vocab_size"))) {
      c.vocab_size = in_.Int(Key("vocab_size"), 1, ConfigLimits::kVocab);
    } else if (const Result<WeightView> table = model_.Find("token_embd.weight");
               table.ok() && table->shape.size() == 2 && table->shape[0] <= ConfigLimits::kVocab) {
      c.vocab_size = table->shape[0];
    } else if (tokens != nullptr && tokens->count >= 1 &&
               tokens->count <= static_cast<uint64_t>(ConfigLimits::kVocab)) {
      c.vocab_size = static_cast<int64_t>(tokens->count);
    } else {
      in_.Reject(Key("vocab_size"),
                 fmt::format("must be an integer between 1 and {}", ConfigLimits::kVocab));
    }
    c.windows.assign(layers, 0);
  }

  // A vector of factors, [rotated_dims / 2], all in a range that frequencies survive.
  std::vector<double> Factors(std::string_view tensor) {
    const Result<WeightView> view = model_.Find(tensor);
    if (!view.ok()) {
      in_.Fail(view.status());
      return {};
    }
    const int64_t n = config_.rope.rotated_dims / 2;
    if (view->shape.size() != 1 || view->shape[0] != n || IsQuantized(view->type)) {
      in_.Fail(CorruptData(fmt::format("{}: tensor {} has {} values of {}, must have {} of f32",
                                       in_.file(), tensor, view->shape[0],
                                       WeightTypeName(view->type), n)));
      return {};
    }
    std::vector<float> values(static_cast<size_t>(n));
    DequantizeRow(view->type, view->data.data(), n, values.data());
    for (float x : values) {
      if (x >= 1e-6f && x <= 1e6f) continue;
      in_.Fail(CorruptData(fmt::format("{}: tensor {} has {:g}, must be between 1e-6 and 1e6",
                                       in_.file(), tensor, x)));
      return {};
    }
    return {values.begin(), values.end()};
  }

  void ReadRope() {
    HfConfig& c = config_;
    RopeSpec& rope = c.rope;
    rope.base = in_.NumberOr(Key("rope.freq_base"), 1.0001, 1e18, 10000);
    rope.rotated_dims = in_.IntOr(Key("rope.dimension_count"), 2, c.head_dim, c.head_dim);
    if (error_.ok() && rope.rotated_dims % 2 != 0) {
      in_.Reject(Key("rope.dimension_count"), "must be even");
    }
    if (!error_.ok()) return;
    const bool permuted = GgufPermutesHeads(c.family);
    rope.adjacent_pairs = permuted || c.family == ModelFamily::kChatGlm ||
                          c.family == ModelFamily::kGlm || c.family == ModelFamily::kGlm4;
    if (permuted && rope.rotated_dims != c.head_dim) {
      in_.Reject(Key("rope.dimension_count"), fmt::format("must be key_length ({})", c.head_dim),
                 StatusCode::kUnsupported);
    }
    rope.factor = in_.NumberOr(Key("rope.scaling.factor"), 1e-6, 1e6, 1);
    rope.original_max_positions = in_.IntOr(Key("rope.scaling.original_context_length"), 2,
                                            ConfigLimits::kPositions, c.max_position_embeddings);
    const double extra = in_.NumberOr(Key("rope.scaling.attn_factor"), 1e-6, 1e6, 1);
    const std::string_view type = in_.StringOr(Key("rope.scaling.type"), "");
    if (HasTensor("rope_factors_long.weight") && HasTensor("rope_factors_short.weight")) {
      rope.kind = RopeKind::kLongRope;
      rope.long_factor = Factors("rope_factors_long.weight");
      rope.short_factor = Factors("rope_factors_short.weight");
      rope.magnitude = extra;
      return;
    }
    if (HasTensor("rope_freqs.weight")) {
      rope.kind = RopeKind::kLongRope;
      rope.long_factor = rope.short_factor = Factors("rope_freqs.weight");
      return;
    }
    if (type == "yarn") {
      rope.kind = RopeKind::kYarn;
      rope.magnitude = extra * (rope.factor <= 1 ? 1.0 : 0.1 * std::log(rope.factor) + 1.0);
      rope.beta_fast = in_.NumberOr(Key("rope.scaling.yarn_beta_fast"), 1e-6, 1e6, 32);
      rope.beta_slow = in_.NumberOr(Key("rope.scaling.yarn_beta_slow"), 1e-6, 1e6, 1);
      if (rope.beta_fast < rope.beta_slow) {
        in_.Reject(Key("rope.scaling.yarn_beta_fast"),
                   fmt::format("must not be below yarn_beta_slow ({:g})", rope.beta_slow));
      }
    } else if (type == "linear" || (type.empty() && rope.factor != 1)) {
      rope.kind = RopeKind::kLinear;
    } else if (type != "" && type != "none" && type != "longrope") {
      in_.Reject(Key("rope.scaling.type"), "must be none, linear, yarn or longrope",
                 StatusCode::kUnsupported);
    }
  }

  void AddId(std::string_view key, std::vector<TokenId>& ids) {
    const auto id = in_.OptionalInt(key, 0, UINT32_MAX);
    if (!id || *id == UINT32_MAX) return;  // -1: none
    if (*id >= config_.vocab_size) {
      config_.notes.push_back(fmt::format("{}: {} is {}, not in the vocabulary of {}, left out",
                                          in_.file(), key, *id, config_.vocab_size));
      return;
    }
    const auto token = static_cast<TokenId>(*id);
    if (std::find(ids.begin(), ids.end(), token) == ids.end()) ids.push_back(token);
  }

  void ReadRest() {
    HfConfig& c = config_;
    c.tie_word_embeddings = !HasTensor("output.weight");
    c.qkv_bias = HasTensor("blk.0.attn_q.bias") || HasTensor("blk.0.attn_qkv.bias");
    c.o_bias = HasTensor("blk.0.attn_output.bias");
    c.mlp_bias = HasTensor("blk.0.ffn_up.bias");
    const int64_t window =
        in_.IntOr(Key("attention.sliding_window"), 0, ConfigLimits::kPositions, 0);
    if (c.family == ModelFamily::kPhi3) std::fill(c.windows.begin(), c.windows.end(), window);
    if (c.family == ModelFamily::kMiniCpm) {
      const auto n = static_cast<double>(c.n_layers), hidden = static_cast<double>(c.hidden_size);
      c.embedding_scale = in_.NumberOr(Key("embedding_scale"), 1e-6, 1e6, 12);
      c.residual_scale = in_.NumberOr(Key("residual_scale"), 1e-6, 1e6, 1.4 / std::sqrt(n));
      c.logit_divisor = in_.NumberOr(Key("logit_scale"), 1e-6, 1e6, hidden / 256);
    }
    AddId("tokenizer.ggml.bos_token_id", c.bos_ids);
    AddId("tokenizer.ggml.eos_token_id", c.eos_ids);
    AddId("tokenizer.ggml.eot_token_id", c.eos_ids);
    AddId("tokenizer.ggml.eom_token_id", c.eos_ids);
    AddId("tokenizer.ggml.padding_token_id", c.pad_ids);
  }

  const GgufModel& model_;
  const GgufReader in_;
  Status& error_;
  std::string prefix_;
  HfConfig config_;
};

}  // namespace

Result<HfConfig> ReadGgufConfig(const GgufModel& model) {
  Status error;
  HfConfig config = ConfigReader(model, error).Run();
  if (!error.ok()) return error;
  return config;
}

std::string_view GgufArchitectureOf(ModelFamily family) {
  for (const Architecture& a : kArchitectures) {
    if (a.family == family) return a.name;
  }
  return "";
}

bool GgufPermutesHeads(ModelFamily family) {
  return family == ModelFamily::kLlama || family == ModelFamily::kMistral ||
         family == ModelFamily::kMiniCpm;
}

}  // namespace quarry
