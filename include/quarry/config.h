// What a run is: the model, the attention method with its parameters, and the lengths it works
// with, as the YAML files of InfLLM and Q-LLM say it. docs/configuration.md lists every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/attention_setup.h"
#include "quarry/status.h"

namespace quarry {

// What happens to a prompt that is longer than max_len leaves room for.
enum class Truncation {
  kNone,    // it is refused
  kSuffix,  // its first 128 tokens and as much of its end as fits are kept
};

struct RunConfig {
  std::string model_path;      // a folder, or a Hugging Face name that is not looked up
  std::string tokenizer_path;  // model_path unless given

  AttentionSetup attention;  // valid

  // Base of the rotary embedding. If given, it replaces the model's base and its scaling.
  std::optional<double> rope_base;
  double distance_scale = 1.0;  // positions are multiplied by it

  int64_t chunk_size = 8192;     // prompt tokens of one forward pass
  int64_t max_len = 2147483647;  // prompt and answer together, in tokens
  Truncation truncation = Truncation::kNone;

  // mistral-inst, vicuna, qwen, minicpm or llama-3-inst; empty: the model's own chat template.
  std::string conv_type;

  // What was read and has no effect, or was changed: one line each, for the user to see.
  std::vector<std::string> notes;
};

// `overrides` are "a.b=c", applied before anything is checked: "model.topk=8", or "topk=8" for a
// key of the model map. Values are YAML scalars. Nothing is left over: a key that is not known is
// an error that names its line and the nearest known key.
Result<RunConfig> LoadRunConfig(const std::filesystem::path& path,
                                std::span<const std::string> overrides = {});
// The same from text; `name` starts every message.
Result<RunConfig> ParseRunConfig(std::string_view yaml, std::string_view name,
                                 std::span<const std::string> overrides = {});

// `method` with lengths that suit a model trained for `native_context` tokens: a window of half of
// it, at most 4096, and blocks in proportion. If the model has a sliding window (0: none), sinks
// and window together stay within it.
AttentionConfig SuggestAttentionConfig(const AttentionConfig& method, int64_t native_context,
                                       int64_t sliding_window = 0);

// What docs/choosing-a-method.md says of a prompt and answer of `tokens` tokens.
struct MethodChoice {
  std::string_view prefill;
  std::string_view decode;
  std::string_view reason;
};
MethodChoice ChooseMethods(int64_t tokens, int64_t native_context);
// Prompt tokens of a forward pass that suit the methods: 8192 where one estimates its selection
// anew for every pass, 512 otherwise.
int64_t SuggestChunkSize(const AttentionSetup& setup);

// The configuration of a run without a file: the parameters of `methods`, then the overrides. A key
// without a dot is that of the phase whose method takes it; one that both take is an error.
Result<RunConfig> DefaultRunConfig(const PhaseMethods& methods,
                                   std::span<const std::string> overrides = {});

}  // namespace quarry
