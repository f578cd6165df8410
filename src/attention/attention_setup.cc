#include "quarry/attention_setup.h"

#include <fmt/format.h>

namespace quarry {
namespace {

constexpr int64_t kMaxLayers = 4096;

Status CheckPair(const PhaseMethods& m) {
  const std::string_view prefill = MethodName(m.prefill), decode = MethodName(m.decode);
  const PhaseSupport p = PhasesOf(m.prefill), d = PhasesOf(m.decode);
  if (p == PhaseSupport::kDecodeOnly) {
    return InvalidArgument(
        fmt::format("prefill is {}, must be another method: {} only decodes", prefill, prefill));
  }
  if (d == PhaseSupport::kPrefillOnly) {
    return InvalidArgument(
        fmt::format("decode is {}, must be another method: {} only reads prompts", decode, decode));
  }
  if (m.one_method()) return OkStatus();
  for (const auto& [name, support] : {std::pair(prefill, p), std::pair(decode, d)}) {
    if (support != PhaseSupport::kBoth) continue;
    return InvalidArgument(
        fmt::format("prefill is {} and decode is {}, must both be {} with the same parameters: it "
                    "answers from what it builds up while reading",
                    prefill, decode, name));
  }
  return OkStatus();
}

Status CheckMethods(const PhaseMethods& m) {
  for (const Status& s : {Validate(m.prefill), Validate(m.decode), CheckPair(m)}) {
    if (!s.ok()) return s;
  }
  return OkStatus();
}

// What a reader expects of `name` alone: the other phase is not worth a word then.
std::string Describe(const PhaseMethods& m) {
  const std::string_view prefill = MethodName(m.prefill), decode = MethodName(m.decode);
  if (prefill == decode) return std::string(prefill);
  if (decode == DenseConfig::kName && PhasesOf(m.prefill) == PhaseSupport::kPrefillOnly) {
    return std::string(prefill);
  }
  if (prefill == DenseConfig::kName && PhasesOf(m.decode) == PhaseSupport::kDecodeOnly) {
    return std::string(decode);
  }
  return fmt::format("{}, decode {}", prefill, decode);
}

Status LoadPatterns(AttentionConfig& config) {
  auto* c = std::get_if<MInferenceConfig>(&config);
  if (c == nullptr || c->pattern_file.empty() || c->patterns != nullptr) return OkStatus();
  Result<PatternTable> table = ReadPatternTable(c->pattern_file);
  if (!table.ok()) return table.status().WithPrefix("minference: pattern_file");
  c->patterns = std::make_shared<const PatternTable>(std::move(*table));
  return OkStatus();
}

}  // namespace

PhaseMethods::PhaseMethods(const AttentionConfig& method) : prefill(method), decode(method) {
  if (PhasesOf(method) == PhaseSupport::kPrefillOnly) decode = DenseConfig{};
  if (PhasesOf(method) == PhaseSupport::kDecodeOnly) prefill = DenseConfig{};
}

std::string Describe(const AttentionSetup& setup) {
  std::string out = Describe(setup.methods);
  for (const LayerRange& r : setup.layers) {
    out += r.first == r.last ? fmt::format(", layer {} ", r.first)
                             : fmt::format(", layers {}-{} ", r.first, r.last);
    out += Describe(r.methods);
  }
  return out;
}

Status LoadPatterns(AttentionSetup& setup) {
  Status s = LoadPatterns(setup.methods.prefill);
  for (LayerRange& r : setup.layers) {
    if (s.ok()) s = LoadPatterns(r.methods.prefill);
  }
  return s;
}

Status Validate(const AttentionSetup& setup) {
  if (Status s = CheckMethods(setup.methods); !s.ok()) return s;
  for (const LayerRange& r : setup.layers) {
    if (r.first < 0 || r.last < r.first || r.last >= kMaxLayers) {
      return InvalidArgument(
          fmt::format("layers is {}-{}, must be a range of layers between 0 and {}", r.first,
                      r.last, kMaxLayers - 1));
    }
    if (Status s = CheckMethods(r.methods); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace quarry
