#include "format/hf_rope.h"

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace quarry {
namespace {

constexpr double kMaxBase = 1e18;
constexpr double kMaxFactor = 1e6;
constexpr double kMinFactor = 1e-6;
constexpr int64_t kMaxPositions = int64_t{1} << 31;
constexpr std::string_view kFullAttention = "full_attention";
constexpr std::string_view kSlidingAttention = "sliding_attention";

// A dictionary of RoPE parameters and the top level around it: the dictionary's value counts first.
struct RopeKeys {
  const JsonReader& top;
  std::optional<JsonReader> dict;

  const JsonReader& Where(std::string_view key) const {
    return dict && dict->Has(key) ? *dict : top;
  }
  bool DictHas(std::string_view key) const { return dict && dict->Has(key); }
};

bool RotatesInPart(ModelFamily family) {
  return family == ModelFamily::kPhi3 || family == ModelFamily::kGlm ||
         family == ModelFamily::kGlm4;
}

void ReadRotatedDims(const RopeKeys& keys, HfConfig& config) {
  constexpr std::string_view kKey = "partial_rotary_factor";
  const bool glm = config.family == ModelFamily::kGlm || config.family == ModelFamily::kGlm4;
  const JsonReader& where = keys.Where(kKey);
  const double fraction = where.NumberOr(kKey, 0, 1, glm ? 0.5 : 1.0);
  if (!RotatesInPart(config.family) && fraction != 1.0 && where.ok()) {
    where.Reject(kKey, fmt::format("must be 1 for {}", config.architecture),
                 StatusCode::kUnsupported);
    return;
  }
  SetRotatedDims(where, fraction, config);
}

// The kind that `rope_type`, in older files `type`, names.
RopeKind ReadKind(const JsonReader& dict, const HfConfig& config) {
  const std::string_view key = dict.Has("rope_type") ? "rope_type" : "type";
  if (!dict.Has(key)) {
    if (dict.Has("factor")) {
      dict.Fail(CorruptData(fmt::format("{} is missing, there is a factor", dict.Name(key))));
    }
    return RopeKind::kDefault;
  }
  const std::string type = dict.String(key);
  if (type == "default") return RopeKind::kDefault;
  if (type == "linear") return RopeKind::kLinear;
  if (type == "dynamic") return RopeKind::kDynamic;
  if (type == "llama3") return RopeKind::kLlama3;
  if (type == "longrope" || type == "su") return RopeKind::kLongRope;
  // Early Phi-3 files say yarn and mean their factor lists.
  const bool phi3_lists = config.family == ModelFamily::kPhi3 && dict.Has("short_factor");
  if (type == "yarn") return phi3_lists ? RopeKind::kLongRope : RopeKind::kYarn;
  if (dict.ok()) {
    dict.Reject(key, "must be one of default, linear, dynamic, llama3, yarn, longrope",
                StatusCode::kUnsupported);
  }
  return RopeKind::kDefault;
}

double ReadFactor(const JsonReader& dict) { return dict.Number("factor", kMinFactor, kMaxFactor); }

void ReadDynamic(const JsonReader& dict, HfConfig& config) {
  RopeSpec& rope = config.rope;
  rope.factor = ReadFactor(dict);
  rope.max_positions = config.max_position_embeddings;
  // The exponent is R / (R - 2).
  if (dict.ok() && rope.rotated_dims <= 2) {
    dict.Fail(Unsupported(
        fmt::format("{} is dynamic, which needs more than 2 rotated dimensions, there are {}",
                    dict.Name("rope_type"), rope.rotated_dims)));
  }
}

void ReadLlama3(const RopeKeys& keys, HfConfig& config) {
  RopeSpec& rope = config.rope;
  const JsonReader& dict = *keys.dict;
  rope.factor = ReadFactor(dict);
  rope.low_freq_factor = dict.Number("low_freq_factor", kMinFactor, kMaxFactor);
  rope.high_freq_factor = dict.Number("high_freq_factor", kMinFactor, kMaxFactor);
  constexpr std::string_view kOriginal = "original_max_position_embeddings";
  rope.original_max_positions = keys.Where(kOriginal).Int(kOriginal, 1, kMaxPositions);
  if (dict.ok() && rope.low_freq_factor >= rope.high_freq_factor) {
    dict.Reject("low_freq_factor",
                fmt::format("must be below high_freq_factor ({})", rope.high_freq_factor));
  }
}

// 0.1 * scale * ln(factor) + 1: how much longer contexts sharpen attention (YaRN, section 3.4).
double YarnMagnitude(double factor, double scale) {
  return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

void ReadYarn(const JsonReader& dict, HfConfig& config) {
  RopeSpec& rope = config.rope;
  rope.factor = ReadFactor(dict);
  rope.original_max_positions = dict.IntOr("original_max_position_embeddings", 1, kMaxPositions,
                                           config.max_position_embeddings);
  rope.beta_fast = dict.NumberOr("beta_fast", kMinFactor, kMaxFactor, 32);
  rope.beta_slow = dict.NumberOr("beta_slow", kMinFactor, kMaxFactor, 1);
  rope.truncate = dict.BoolOr("truncate", true);
  const double mscale = dict.NumberOr("mscale", 0, 1000, 0);
  const double mscale_all_dim = dict.NumberOr("mscale_all_dim", 0, 1000, 0);
  rope.magnitude = mscale > 0 && mscale_all_dim > 0 ? YarnMagnitude(rope.factor, mscale) /
                                                          YarnMagnitude(rope.factor, mscale_all_dim)
                                                    : YarnMagnitude(rope.factor, 1);
  rope.magnitude = dict.NumberOr("attention_factor", kMinFactor, kMaxFactor, rope.magnitude);
  if (dict.ok() && rope.beta_fast < rope.beta_slow) {
    dict.Fail(CorruptData(fmt::format("{} is {}, must not be below beta_slow ({})",
                                      dict.Name("beta_fast"), rope.beta_fast, rope.beta_slow)));
  }
}

void ReadLongRope(const RopeKeys& keys, HfConfig& config) {
  RopeSpec& rope = config.rope;
  const JsonReader& dict = *keys.dict;
  const auto n = static_cast<size_t>(rope.rotated_dims / 2);
  rope.short_factor = dict.Numbers("short_factor", n, kMinFactor, kMaxFactor);
  rope.long_factor = dict.Numbers("long_factor", n, kMinFactor, kMaxFactor);
  constexpr std::string_view kOriginal = "original_max_position_embeddings";
  // At the top level in Phi-3, in the dictionary in MiniCPM4; log() below needs at least 2.
  const JsonReader& where = keys.top.Has(kOriginal) ? keys.top : dict;
  rope.original_max_positions = where.Int(kOriginal, 2, kMaxPositions);
  const auto original = static_cast<double>(rope.original_max_positions);
  rope.factor = dict.NumberOr("factor", kMinFactor, kMaxFactor,
                              static_cast<double>(config.max_position_embeddings) / original);
  const double magnitude =
      rope.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(rope.factor) / std::log(original));
  rope.magnitude = dict.NumberOr("attention_factor", kMinFactor, kMaxFactor, magnitude);
}

RopeSpec ReadSpec(const RopeKeys& keys, HfConfig config) {
  RopeSpec& rope = config.rope;
  rope.adjacent_pairs = config.family == ModelFamily::kGlm || config.family == ModelFamily::kGlm4;
  // Above 1, so that frequencies fall and their logarithm has a sign.
  rope.base = keys.Where("rope_theta").NumberOr("rope_theta", 1.0001, kMaxBase, 10000);
  ReadRotatedDims(keys, config);
  if (!keys.dict || !keys.top.ok()) return rope;
  for (std::string_view key : {"mrope_section", "short_mscale", "long_mscale"}) {
    if (keys.dict->Has(key)) {
      keys.dict->Reject(key, "must be absent", StatusCode::kUnsupported);
    }
  }
  rope.kind = ReadKind(*keys.dict, config);
  if (!keys.top.ok()) return rope;
  switch (rope.kind) {
    case RopeKind::kDefault:
      break;
    case RopeKind::kLinear:
      rope.factor = ReadFactor(*keys.dict);
      break;
    case RopeKind::kDynamic:
      ReadDynamic(*keys.dict, config);
      break;
    case RopeKind::kLlama3:
      ReadLlama3(keys, config);
      break;
    case RopeKind::kYarn:
      ReadYarn(*keys.dict, config);
      break;
    case RopeKind::kLongRope:
      ReadLongRope(keys, config);
      break;
  }
  return rope;
}

bool HasWindow(const HfConfig& config) {
  for (int64_t window : config.windows) {
    if (window > 0) return true;
  }
  return false;
}

}  // namespace

void SetRotatedDims(const JsonReader& in, double fraction, HfConfig& config) {
  config.rope.rotated_dims = static_cast<int64_t>(static_cast<double>(config.head_dim) * fraction);
  if (!in.ok() || (config.rope.rotated_dims >= 2 && config.rope.rotated_dims % 2 == 0)) return;
  in.Fail(CorruptData(
      fmt::format("{}: {} of head_dim {} rotate {} dimensions, must be even and at least 2",
                  in.file(), fraction, config.head_dim, config.rope.rotated_dims)));
}

void ReadHfRope(const JsonReader& in, HfConfig& config) {
  const std::string_view key = in.Has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!in.Has(key)) {
    config.rope = ReadSpec({in, std::nullopt}, config);
    return;
  }
  const JsonReader dict = in.Object(key);
  if (!dict.Has(kFullAttention) && !dict.Has(kSlidingAttention)) {
    config.rope = ReadSpec({in, dict}, config);
    return;
  }
  // One dictionary per kind of layer. All layers of these families rotate alike.
  const auto read = [&](std::string_view layers) {
    return ReadSpec({in, dict.Object(layers)}, config);
  };
  const bool both = dict.Has(kFullAttention) && dict.Has(kSlidingAttention);
  RopeSpec rope = read(dict.Has(kFullAttention) ? kFullAttention : kSlidingAttention);
  if (both && HasWindow(config) && in.ok() && rope != read(kSlidingAttention)) {
    in.Fail(Unsupported(fmt::format("{} differs between {} and {} layers, must be the same",
                                    in.Name(key), kFullAttention, kSlidingAttention)));
  }
  config.rope = std::move(rope);
}

}  // namespace quarry
