// What InfLLM remembers about one layer of one sequence.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "attention/methods/checkpoints.h"
#include "attention/methods/infllm.h"
#include "attention/methods/score_window.h"
#include "kv/row_store.h"

namespace quarry {

// Blocks that are selected at most.
int64_t MostBlocks(const InfLlmConfig& config);

class InfLlmState final : public MethodState {
 public:
  InfLlmState(const InfLlmConfig& config, std::optional<QuestionMode> question,
              const ModelShape& shape, DType dtype, int layer);

  std::unique_ptr<MethodState> Clone() const override;
  TokenPos Truncate(TokenPos n) override;
  size_t size_bytes() const override;
  void AddStats(MethodStats& stats) const override;

  // A forward call begins: remembers how to come back here.
  void BeginCall(TokenPos position);
  // After an execution block of tokens [begin, end): adds its local scores (one span per query
  // head, from token `first` on), then fills sinks and forms blocks.
  void EndBlock(const PlanInput& input, TokenPos first,
                std::span<const std::span<const float>> local, ExecContext& ctx);

  // The part that a checkpoint restores.
  struct Memory {
    TokenPos length = 0;  // E: tokens seen
    int64_t sinks = 0;    // i
    bool sinks_complete = false;
    TokenPos tail_start = 0;  // S
    int64_t blocks = 0;       // nb
    ScoreWindow scores;       // of tokens [S, E)
    std::vector<BlockCache> caches;
    std::optional<QuestionVector> question;
    // chunk_topk_calc: which blocks the current span may see.
    TokenPos span_end = 0;
    int64_t span_candidates = 0;
  };
  Memory memory;

  // Rows of heads * head_dim elements of `dtype`, one per block.
  RowStore representatives;
  // The selection of the current execution block, per unit.
  std::vector<std::vector<int64_t>> selected;
  std::vector<std::vector<int64_t>> evicted;
  std::vector<std::vector<float>> block_scores;
  InfLlmObserver* observer = nullptr;

 private:
  void FormBlock(const PlanInput& input, ExecContext& ctx);

  InfLlmConfig config_;
  ModelShape shape_;
  DType dtype_;
  int layer_;
  Checkpoints<Memory> checkpoints_;
};

}  // namespace quarry
