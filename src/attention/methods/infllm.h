// InfLLM (Xiao et al., arXiv:2402.04617) and Q-LLM (Li et al., arXiv:2406.07528): sinks, a sliding
// window, and the blocks of a context memory that match the queries best.
//
// Symbols: I n_init, L n_local, B block_size, K topk, R repr_topk, X exc_block_size; i sinks so
// far, S first token that is neither sink nor in a block, nb blocks. docs/methods/inf-llm.md has
// the definitions.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "attention/method.h"
#include "attention/methods/block_cache.h"
#include "attention/methods/question.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeInfLlm(const InfLlmConfig& config);
std::unique_ptr<const AttentionMethod> MakeQLlm(const QLlmConfig& config);

// What one execution block saw and chose. Spans are valid during the call.
struct InfLlmStep {
  int layer;
  TokenPos begin, end;
  int64_t sinks_before, blocks_before, candidates;
  TokenRange tail;
  // Per unit (one, or one per query head with perhead): chosen blocks, ascending.
  std::span<const std::vector<int64_t>> selected;
  // Per unit: relevance of each candidate; made for the observer even where all are taken.
  std::span<const std::vector<float>> block_scores;
  std::span<const BlockCache> caches;
  std::span<const std::vector<int64_t>> evicted;
  int64_t sinks_after, blocks_after;
  TokenPos tail_start_after;
  const QuestionVector* question;  // null for inf-llm
};

// One block, when it is formed.
struct InfLlmBlock {
  int layer;
  int64_t index;
  TokenRange tokens;
  std::span<const TokenPos> repr_tokens;  // [heads][R], ascending per head
  std::span<const float> local_scores;    // [heads][B]
  std::span<const float> representative;  // [heads * head_dim], before it is stored
};

// Sees what the memory does: for golden vectors, traces and statistics.
class InfLlmObserver {
 public:
  virtual ~InfLlmObserver() = default;
  virtual void OnStep(const InfLlmStep&) {}
  virtual void OnBlock(const InfLlmBlock&) {}
};

// Attaches an observer to a state made by either method; null detaches. Copies of the state (forks)
// start without one.
void SetInfLlmObserver(MethodState& state, InfLlmObserver* observer);

}  // namespace quarry
