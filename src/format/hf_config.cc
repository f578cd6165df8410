#include "format/hf_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/quoted.h"
#include "format/hf_rope.h"
#include "format/json.h"

namespace quarry {
namespace {

constexpr size_t kMaxTokenIds = 1024;

struct KnownArchitecture {
  std::string_view name;
  ModelFamily family;
};
constexpr KnownArchitecture kArchitectures[] = {
    {"LlamaForCausalLM", ModelFamily::kLlama},
    {"LLaMAForCausalLM", ModelFamily::kLlama},
    {"YiForCausalLM", ModelFamily::kLlama},
    {"MistralForCausalLM", ModelFamily::kMistral},
    {"Qwen2ForCausalLM", ModelFamily::kQwen2},
    {"Qwen3ForCausalLM", ModelFamily::kQwen3},
    {"Phi3ForCausalLM", ModelFamily::kPhi3},
    {"ChatGLMModel", ModelFamily::kChatGlm},
    {"ChatGLMForConditionalGeneration", ModelFamily::kChatGlm},
    {"GlmForCausalLM", ModelFamily::kGlm},
    {"Glm4ForCausalLM", ModelFamily::kGlm4},
    {"MiniCPMForCausalLM", ModelFamily::kMiniCpm},
};

void ReadArchitecture(const JsonReader& in, HfConfig& config) {
  config.model_type = in.StringOr("model_type", "");
  const std::vector<std::string> names = in.Strings("architectures", 16);
  if (!in.ok()) return;
  if (names.empty()) {
    in.Fail(CorruptData(fmt::format("{} is missing, must name one of {}", in.Name("architectures"),
                                    fmt::join(SupportedArchitectures(), ", "))));
    return;
  }
  config.architecture = names.front();
  for (const KnownArchitecture& known : kArchitectures) {
    if (known.name != config.architecture) continue;
    config.family = known.family;
    return;
  }
  in.Fail(Unsupported(fmt::format("{} is {}, must be one of {}", in.Name("architectures[0]"),
                                  Quoted(config.architecture),
                                  fmt::join(SupportedArchitectures(), ", "))));
}

// ChatGLM's own code has other names for a few keys.
struct CountKeys {
  std::string_view layers = "num_hidden_layers";
  std::string_view intermediate = "intermediate_size";
  std::string_view vocab = "vocab_size";
  std::string_view kv_heads = "num_key_value_heads";
  std::string_view head_dim = "head_dim";
  std::string_view eps = "rms_norm_eps";
  std::string_view positions = "max_position_embeddings";
};
constexpr CountKeys kChatGlmKeys = {
    "num_layers",  "ffn_hidden_size",   "padded_vocab_size", "multi_query_group_num",
    "kv_channels", "layernorm_epsilon", "seq_length"};

double DefaultEps(ModelFamily family) {
  switch (family) {
    case ModelFamily::kPhi3:
    case ModelFamily::kChatGlm:
      return 1e-5;
    case ModelFamily::kGlm:
    case ModelFamily::kGlm4:
      return 1.5625e-7;
    default:
      return 1e-6;
  }
}

void ReadHeads(const JsonReader& in, const CountKeys& keys, HfConfig& config) {
  config.n_heads = in.Int("num_attention_heads", 1, ConfigLimits::kHeads);
  // Absent and null differ for Mistral, whose class has a default of its own.
  const bool mistral_default =
      config.family == ModelFamily::kMistral && !in.Contains(keys.kv_heads);
  config.n_kv_heads =
      mistral_default ? 8 : in.IntOr(keys.kv_heads, 1, config.n_heads, config.n_heads);
  if (in.ok() && config.n_heads % config.n_kv_heads != 0) {
    in.Fail(CorruptData(fmt::format("{} is {}, must be a multiple of {} ({})",
                                    in.Name("num_attention_heads"), config.n_heads, keys.kv_heads,
                                    config.n_kv_heads)));
  }
  if (in.Has(keys.head_dim)) {
    config.head_dim = in.Int(keys.head_dim, 1, ConfigLimits::kHeadDim);
  } else if (config.family == ModelFamily::kQwen3) {
    config.head_dim = 128;
  } else {
    config.head_dim = config.hidden_size / config.n_heads;
    if (in.ok() && (config.head_dim * config.n_heads != config.hidden_size ||
                    config.head_dim > ConfigLimits::kHeadDim)) {
      in.Fail(CorruptData(
          fmt::format("{} is {}, without {} it must be num_attention_heads ({}) times at most {}",
                      in.Name("hidden_size"), config.hidden_size, keys.head_dim, config.n_heads,
                      ConfigLimits::kHeadDim)));
    }
  }
}

void ReadCounts(const JsonReader& in, HfConfig& config) {
  const CountKeys keys = config.family == ModelFamily::kChatGlm ? kChatGlmKeys : CountKeys();
  config.n_layers = in.Int(keys.layers, 1, ConfigLimits::kLayers);
  config.hidden_size = in.Int("hidden_size", 1, ConfigLimits::kHidden);
  ReadHeads(in, keys, config);
  config.intermediate_size = in.Int(keys.intermediate, 1, ConfigLimits::kIntermediate);
  config.vocab_size = in.Int(keys.vocab, 1, ConfigLimits::kVocab);
  config.max_position_embeddings = in.Int(keys.positions, 1, ConfigLimits::kPositions);
  config.rms_norm_eps = in.NumberOr(keys.eps, 1e-12, 1, DefaultEps(config.family));
  config.tie_word_embeddings =
      in.BoolOr("tie_word_embeddings", config.family == ModelFamily::kMiniCpm);
}

void ReadBiases(const JsonReader& in, HfConfig& config) {
  switch (config.family) {
    case ModelFamily::kLlama:
      config.mlp_bias = in.BoolOr("mlp_bias", false);
      [[fallthrough]];
    case ModelFamily::kQwen3:
    case ModelFamily::kMiniCpm:
      config.qkv_bias = config.o_bias = in.BoolOr("attention_bias", false);
      break;
    case ModelFamily::kQwen2:
      config.qkv_bias = true;
      break;
    case ModelFamily::kGlm:
      config.qkv_bias = in.BoolOr("attention_bias", true);
      break;
    case ModelFamily::kGlm4:
      config.qkv_bias = in.BoolOr("attention_bias", false);
      break;
    case ModelFamily::kChatGlm:
      config.o_bias = config.mlp_bias = in.BoolOr("add_bias_linear", false);
      config.qkv_bias = config.o_bias || in.BoolOr("add_qkv_bias", false);
      break;
    case ModelFamily::kMistral:
    case ModelFamily::kPhi3:
      break;
  }
}

// Which layers `layer_types` calls sliding; empty if it is absent.
std::vector<bool> ReadLayerTypes(const JsonReader& in, const HfConfig& config) {
  const std::vector<std::string> types =
      in.Strings("layer_types", static_cast<size_t>(ConfigLimits::kLayers));
  if (types.empty() || !in.ok()) return {};
  if (types.size() != static_cast<size_t>(config.n_layers)) {
    in.Fail(CorruptData(fmt::format("{} has {} entries, must have num_hidden_layers ({})",
                                    in.Name("layer_types"), types.size(), config.n_layers)));
    return {};
  }
  std::vector<bool> sliding;
  for (const std::string& type : types) {
    if (type != "full_attention" && type != "sliding_attention") {
      in.Fail(Unsupported(fmt::format("{}[{}] is {}, must be full_attention or sliding_attention",
                                      in.Name("layer_types"), sliding.size(), Quoted(type))));
      return {};
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void ReadWindows(const JsonReader& in, HfConfig& config) {
  const auto n_layers = static_cast<size_t>(config.n_layers);
  config.windows.assign(n_layers, 0);
  // Null is no window; an absent key is the default of the family's class.
  const auto window = [&](int64_t if_absent) {
    return in.IntOr("sliding_window", 1, ConfigLimits::kPositions,
                    in.Contains("sliding_window") ? 0 : if_absent);
  };
  switch (config.family) {
    case ModelFamily::kMistral:
      config.windows.assign(n_layers, window(4096));
      return;
    case ModelFamily::kPhi3:
      config.windows.assign(n_layers, window(0));
      return;
    case ModelFamily::kQwen2:
    case ModelFamily::kQwen3:
      break;
    default:
      return;  // these families never slide
  }
  // Published Qwen files leave a number in sliding_window and switch it off here.
  if (!in.BoolOr("use_sliding_window", false)) return;
  const int64_t first = in.IntOr("max_window_layers", 0, ConfigLimits::kLayers, 28);
  const std::vector<bool> sliding = ReadLayerTypes(in, config);
  for (size_t i = 0; i < n_layers; ++i) {
    const bool slides = sliding.empty() ? static_cast<int64_t>(i) >= first : sliding[i];
    if (slides) config.windows[i] = window(4096);
  }
}

void CheckMustBe(const JsonReader& in, std::string_view key, bool required, bool if_absent) {
  if (in.BoolOr(key, if_absent) == required || !in.ok()) return;
  const std::string must = fmt::format("must be {}", required);
  if (in.Contains(key)) {
    in.Reject(key, must, StatusCode::kUnsupported);
  } else {
    in.Fail(Unsupported(fmt::format("{} is missing, {}", in.Name(key), must)));
  }
}

// Keys whose other values mean a computation that Quarry does not have.
void CheckSupported(const JsonReader& in, HfConfig& config) {
  if (in.Has("quantization_config")) {
    in.Fail(Unsupported(fmt::format(
        "{} is set, must be absent: load the model's unquantised weights, in F32, F16 or BF16",
        in.Name("quantization_config"))));
  }
  if (config.family == ModelFamily::kChatGlm) {
    CheckMustBe(in, "rmsnorm", true, true);
    CheckMustBe(in, "post_layer_norm", true, true);
    CheckMustBe(in, "apply_residual_connection_post_layernorm", false, false);
    CheckMustBe(in, "original_rope", true, true);
    // Without it the rows of query_key_value are ordered head by head.
    CheckMustBe(in, "multi_query_attention", true, false);
    in.IntOr("quantization_bit", 0, 0, 0);
    return;
  }
  if (in.Has("dual_chunk_attention_config")) {
    config.notes.push_back(fmt::format("{}: not used, attention is what the run asks for",
                                       in.Name("dual_chunk_attention_config")));
  }
  const std::string act = in.StringOr("hidden_act", "silu");
  if (in.ok() && act != "silu" && act != "swish") {
    in.Reject("hidden_act", "must be silu", StatusCode::kUnsupported);
  }
  if (in.IntOr("num_experts", 0, 1 << 20, 0) > 0) {
    in.Reject("num_experts", "must be absent or 0", StatusCode::kUnsupported);
  }
}

void ReadChatGlmRope(const JsonReader& in, HfConfig& config) {
  config.rope.adjacent_pairs = true;
  config.rope.base = 10000 * in.NumberOr("rope_ratio", 0.001, 1e9, 1);
  SetRotatedDims(in, 0.5, config);
}

void ReadMiniCpmScales(const JsonReader& in, HfConfig& config) {
  config.embedding_scale = in.NumberOr("scale_emb", 1e-6, 1e6, 1);
  config.residual_scale =
      in.NumberOr("scale_depth", 1e-6, 1e6, 1) / std::sqrt(static_cast<double>(config.n_layers));
  config.logit_divisor =
      static_cast<double>(config.hidden_size) / in.NumberOr("dim_model_base", 1e-6, 1e6, 1);
  if (in.Has("sparse_config")) {
    config.notes.push_back(
        fmt::format("{}: not used, attention is what the run asks for", in.Name("sparse_config")));
  }
}

// -1 is how some files say "none".
std::vector<TokenId> ReadTokenIds(const JsonReader& in, std::string_view key) {
  std::vector<TokenId> ids;
  for (int64_t id : in.IntOrList(key, -1, INT32_MAX, kMaxTokenIds)) {
    if (id >= 0) ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

std::vector<TokenId> ReadVocabularyIds(const JsonReader& in, std::string_view key,
                                       HfConfig& config) {
  std::vector<TokenId> ids = ReadTokenIds(in, key);
  std::erase_if(ids, [&](TokenId id) {
    if (id < config.vocab_size) return false;
    config.notes.push_back(fmt::format("{} contains {}, not in the vocabulary of {}, left out",
                                       in.Name(key), id, config.vocab_size));
    return true;
  });
  return ids;
}

Result<std::string> ReadConfigFile(const std::filesystem::path& path, std::string_view file_name,
                                   std::filesystem::path& file) {
  std::error_code error;
  file = std::filesystem::is_directory(path, error) ? path / file_name : path;
  return ReadFile(file, JsonLimits().bytes);
}

}  // namespace

std::vector<std::string_view> SupportedArchitectures() {
  std::vector<std::string_view> names;
  for (const KnownArchitecture& known : kArchitectures) names.push_back(known.name);
  return names;
}

Result<HfConfig> ParseHfConfig(std::string_view json, std::string_view name) {
  const Result<nlohmann::json> root = ParseJson(json, name);
  if (!root.ok()) return root.status();
  Status error;
  const JsonReader in(*root, name, error);
  HfConfig config;
  // In stages: later ones compute with, and allocate by, what earlier ones have checked.
  ReadArchitecture(in, config);
  if (!error.ok()) return error;
  CheckSupported(in, config);
  ReadCounts(in, config);
  if (!error.ok()) return error;
  ReadBiases(in, config);
  ReadWindows(in, config);
  if (config.family == ModelFamily::kChatGlm) {
    ReadChatGlmRope(in, config);
  } else {
    ReadHfRope(in, config);
  }
  if (config.family == ModelFamily::kMiniCpm) ReadMiniCpmScales(in, config);
  config.bos_ids = ReadVocabularyIds(in, "bos_token_id", config);
  config.eos_ids = ReadVocabularyIds(in, "eos_token_id", config);
  config.pad_ids = ReadVocabularyIds(in, "pad_token_id", config);
  if (!error.ok()) return error;
  return config;
}

Result<HfConfig> LoadHfConfig(const std::filesystem::path& path) {
  std::filesystem::path file;
  const Result<std::string> text = ReadConfigFile(path, "config.json", file);
  if (!text.ok()) return text.status();
  return ParseHfConfig(*text, file.string());
}

Result<GenerationConfig> ParseGenerationConfig(std::string_view json, std::string_view name) {
  const Result<nlohmann::json> root = ParseJson(json, name);
  if (!root.ok()) return root.status();
  Status error;
  const JsonReader in(*root, name, error);
  GenerationConfig config;
  config.bos_ids = ReadTokenIds(in, "bos_token_id");
  config.eos_ids = ReadTokenIds(in, "eos_token_id");
  config.pad_ids = ReadTokenIds(in, "pad_token_id");
  if (in.Has("do_sample")) config.do_sample = in.BoolOr("do_sample", false);
  config.temperature = in.OptionalNumber("temperature", 0, 100);
  config.top_k = in.OptionalInt("top_k", -1, INT32_MAX);
  if (config.top_k.has_value() && *config.top_k <= 0) config.top_k.reset();
  config.top_p = in.OptionalNumber("top_p", 0, 1);
  config.min_p = in.OptionalNumber("min_p", 0, 1);
  config.repetition_penalty = in.OptionalNumber("repetition_penalty", 1e-6, 100);
  config.max_new_tokens = in.OptionalInt("max_new_tokens", 0, ConfigLimits::kPositions);
  if (!error.ok()) return error;
  return config;
}

Result<GenerationConfig> LoadGenerationConfig(const std::filesystem::path& path) {
  std::filesystem::path file;
  const Result<std::string> text = ReadConfigFile(path, "generation_config.json", file);
  if (!text.ok()) return text.status();
  return ParseGenerationConfig(*text, file.string());
}

}  // namespace quarry
