// Which method attends where: one for reading the prompt, one for answering, and others for some
// layers.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "quarry/attention_config.h"
#include "quarry/status.h"

namespace quarry {

// The methods of both phases.
struct PhaseMethods {
  AttentionConfig prefill = DenseConfig{};
  AttentionConfig decode = DenseConfig{};

  PhaseMethods() = default;
  PhaseMethods(AttentionConfig prefill_method, AttentionConfig decode_method)
      : prefill(std::move(prefill_method)), decode(std::move(decode_method)) {}
  // `method` in the phases it can serve, dense attention in the other, as its authors have it.
  explicit PhaseMethods(const AttentionConfig& method);

  // One method, with the same parameters, serves both.
  bool one_method() const { return prefill == decode; }
};

// Other methods for layers [first, last], counted from 0.
struct LayerRange {
  int64_t first = 0;
  int64_t last = 0;
  PhaseMethods methods;
};

struct AttentionSetup {
  PhaseMethods methods;
  std::vector<LayerRange> layers;  // later ones win

  AttentionSetup() = default;
  // One method for everything, as PhaseMethods has it. Implicit: what most callers mean.
  template <typename Config>
  requires std::constructible_from<AttentionConfig, Config> AttentionSetup(
      Config&& method)  // NOLINT(google-explicit-constructor)
      : methods(AttentionConfig(std::forward<Config>(method))) {}
  AttentionSetup(AttentionConfig prefill, AttentionConfig decode)
      : methods(std::move(prefill), std::move(decode)) {}
};

// "inf-llm"; "minference, decode quest"; "quest, layers 0-1 dense".
std::string Describe(const AttentionSetup& setup);

// Reads the files that parameters name: minference's pattern_file, where `patterns` is null.
Status LoadPatterns(AttentionSetup& setup);

// Every method's parameters, and that the two phases of a layer fit each other: a method that
// serves one phase stands in that one, and one that serves both or none stands in both.
Status Validate(const AttentionSetup& setup);

}  // namespace quarry
