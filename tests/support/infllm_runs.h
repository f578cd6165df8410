// InfLLM and Q-LLM run by the engine with everything it chose recorded, next to the float64 model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attention/methods/infllm.h"
#include "tests/reference/infllm_model.h"
#include "tests/support/attention_bounds.h"
#include "tests/support/layer_inputs.h"

namespace quarry {

// Small random parameters for a text of `tokens`: blocks form early, and often more than K of them.
// A third of them have a question.
reference::InfLlmOptions RandomOptions(Rng& rng, int tokens);
std::string Describe(const reference::InfLlmOptions& o);
// Keys that one query attends at most.
int64_t MostKeys(const reference::InfLlmOptions& o);

// The engine's configuration for the model's options: qllm if there is a question, else inf-llm.
AttentionConfig ToConfig(const reference::InfLlmOptions& o);
RequestHints HintsOf(const reference::InfLlmOptions& o);

// Keeps what the engine's memory did.
class InfLlmRecorder final : public InfLlmObserver {
 public:
  struct Step {
    TokenPos begin, end;
    int64_t sinks_before, blocks_before, candidates;
    TokenRange tail;
    std::vector<std::vector<int64_t>> selected, evicted;
    std::vector<std::vector<float>> scores;
    std::vector<std::vector<BlockCache::Entry>> caches;
    int64_t sinks_after, blocks_after;
    TokenPos tail_start_after;
    std::vector<float> question;  // empty: none yet
    std::vector<TokenPos> question_tokens;
  };
  struct Block {
    TokenRange tokens;
    std::vector<TokenPos> repr_tokens;
    std::vector<float> local_scores, representative;
  };
  void OnStep(const InfLlmStep& s) override;
  void OnBlock(const InfLlmBlock& b) override;

  std::vector<Step> steps;
  std::vector<Block> blocks;
};

// Makes the model follow the engine where scores are too close for it to be wrong: a choice other
// than the model's own is accepted if every taken candidate could, within the bounds, be better
// than every one left. Anything else is reported by `errors`.
class FollowEngine final : public reference::Chooser {
 public:
  FollowEngine(const InfLlmRecorder& engine, const LayerInputs& in, int64_t repr_topk,
               const AttentionBounds& bounds, DType dtype);
  std::vector<int64_t> Choose(const reference::Choice& c) override;

  const std::vector<std::string>& errors() const { return errors_; }
  int64_t compared() const { return compared_; }
  int64_t skipped() const { return skipped_; }  // of those compared, too close to call

  // Bound of |engine - model|, relative to the size of the score.
  double RelevanceError(int64_t rows) const;
  double LocalScoreError() const;

 private:
  std::vector<int64_t> EnginesChoice(const reference::Choice& c) const;

  const InfLlmRecorder& engine_;
  const ModelShape shape_;
  const int64_t repr_topk_;
  const AttentionBounds bounds_;
  const DType dtype_;
  std::vector<std::string> errors_;
  int64_t compared_ = 0, skipped_ = 0;
};

}  // namespace quarry
