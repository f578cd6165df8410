// The engine: a model, an attention method, and the one thread that computes. The only thing a
// front end calls to generate text.
//
//   auto engine = quarry::Engine::Open({.model = "models/needle-5m"});
//   auto ids = (*engine)->tokenizer().Encode("The pass key is 53817. ...");
//   quarry::GenerateResult result = (*engine)->Generate({.prompt = *ids, .max_new_tokens = 16});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/attention_setup.h"
#include "quarry/chat.h"
#include "quarry/model_info.h"
#include "quarry/sampling.h"
#include "quarry/status.h"
#include "quarry/tokenizer.h"
#include "quarry/types.h"

namespace quarry {

struct EngineOptions {
  // A folder with config.json, safetensors and a tokenizer, or a GGUF file, which has all of them.
  std::string model = {};
  std::string tokenizer = {};     // another folder or file for the tokenizer; empty: the model's
  AttentionSetup attention = {};  // dense

  // Type that weights are held in; unset: bf16 or f16 if all matrices of the files are, else f32.
  // Weights that are quantised in the file stay as they are.
  std::optional<DType> weight_dtype = {};
  // Quantise the others on loading, to kQ8_0 or kQ4_0.
  std::optional<WeightType> quantize = {};
  DType kv_dtype = DType::kF16;
  // Round what matrix products of prompts take, and queries, keys, values and weights of attention,
  // to bf16 where the CPU multiplies those faster (AMD's Zen 4 and 5): up to twice the speed, for
  // logits off by some hundredths.
  bool fast_products = false;

  int threads = 0;                       // 0: as many as the machine has
  int64_t chunk_size = 512;              // prompt tokens per forward pass
  std::optional<double> rope_base = {};  // replaces the model's base and scaling
  double distance_scale = 1.0;           // positions are multiplied by it
  std::string conv_type = {};            // built-in chat template; empty: the model's own
  // Remark once if a prompt is longer than the model was trained for and the method does not help.
  bool context_warning = true;
  LogSink log = {};  // may be empty
};

using RequestId = uint64_t;

// Where queries, keys and values of one layer go while a prompt is read: a safetensors file that
// appears when all of the prompt has been, whole or not at all (docs/formats.md). In f32, it takes
// 4 * (heads + 2 * kv_heads) * head_dim bytes a token; in memory, one chunk.
struct QkvDump {
  int64_t layer = 0;
  std::string path = {};
};

struct GenerateRequest {
  std::vector<TokenId> prompt = {};
  int64_t max_new_tokens = 256;
  SamplingOptions sampling = {};
  std::vector<std::string> stop = {};  // the answer ends before the first of these
  std::vector<TokenId> stop_ids = {};  // in addition to the model's end tokens
  bool ignore_eos = false;             // the model's end tokens are tokens like others
  TokenRange question = {};            // of the prompt; empty: none (see prompt.h)
  bool measure_coverage = false;       // see GenerateResult::coverage; costs time
  // Also find how likely the prompt was: GenerateResult::prompt_logprobs. Costs the output layer
  // for every token instead of the last.
  bool score_prompt = false;
  // The last this many tokens of the prompt are fed one at a time, as those of an answer are, so
  // that they meet the method as it decodes.
  int64_t decode_tail = 0;
  std::optional<QkvDump> dump_qkv = {};
};

enum class StopReason {
  kEos,  // an end token
  kStopString,
  kLength,  // max_new_tokens
  kCancelled,
  kError,  // see status
};
std::string_view StopReasonName(StopReason reason);  // "eos", "stop", "length", ...

struct GenerateResult {
  Status status;  // ok, cancelled, or what went wrong; the rest is what was reached until then
  StopReason stop_reason = StopReason::kError;
  std::string text;
  std::vector<TokenId> token_ids;  // without the end token
  int64_t prompt_tokens = 0;       // that were read: all, unless the request ended before
  // If score_prompt was set: natural logarithms, [i] of the probability of prompt token i + 1 after
  // the tokens before it; as many as were reached.
  std::vector<float> prompt_logprobs;

  double prefill_seconds = 0;
  double decode_seconds = 0;  // of the tokens after the first
  double prefill_tokens_per_second() const;
  double decode_tokens_per_second() const;

  uint64_t kv_bytes = 0;        // keys, values and what the method keeps, at the end
  uint64_t peak_rss_bytes = 0;  // of the process
  double density = 1;           // share of the causal query-key pairs that were attended
  // Mean share of the softmax mass over all earlier keys that the attended keys have, of every
  // query of the answer and one in 256 of the prompt. Unset: not measured, or the method drops
  // keys.
  std::optional<double> coverage;

  // Memory methods: blocks of all layers.
  int64_t memory_blocks = 0;
  int64_t blocks_retrieved = 0;
  int64_t cache_hits = 0;
  int64_t cache_evictions = 0;
};

struct GenerateProgress {
  int64_t prompt_tokens_read = 0;
  int64_t prompt_tokens = 0;
  double seconds = 0;
};

// Called from the engine's thread, one at a time; each may be empty. They must not block for long
// and must not call the engine, except Cancel.
struct GenerateCallbacks {
  std::function<void(const GenerateProgress&)> on_progress;  // after each piece of the prompt
  std::function<void(std::string_view text)> on_text;        // whole characters
  std::function<void(const GenerateResult&)> on_done;        // last, exactly once
};

class Engine {
 public:
  // Loads everything; errors name the file or option at fault.
  static Result<std::unique_ptr<Engine>> Open(EngineOptions options);
  // Cancels what is running and waits for it.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Any thread; returns at once. Requests run side by side: prompts in turn, chunk by chunk, with
  // decoding steps in between.
  Result<RequestId> Submit(GenerateRequest request, GenerateCallbacks callbacks);
  // Any thread; idempotent. The request ends with what it has, soon.
  void Cancel(RequestId id);
  // Submits and waits.
  GenerateResult Generate(GenerateRequest request, GenerateCallbacks callbacks = {});

  const Tokenizer& tokenizer() const;
  // Null if the model has none and conv_type was not given.
  const ChatTemplate* chat_template() const;
  const ModelInfo& model_info() const;
  const AttentionSetup& attention() const;
  // The method wants the question before the document as well.
  bool question_first() const;
  int threads() const;
  std::string_view kernels() const;  // "avx512"

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quarry
