// Quest (Tang et al., arXiv:2406.10774): the whole cache stays, and every decoding step reads the
// pages whose keys may matter to its query. Plans decoding; a prompt is attended densely.
//
// Symbols: L tokens of the cache, the query's own included; S page_size, P = ceil(L / S) pages, T
// token_budget, B = floor(T / S) pages kept. docs/methods/quest.md has the definitions.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "attention/method.h"
#include "attention/methods/quest_pages.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeQuest(const QuestConfig& config);

// What one query saw and chose. Spans are valid during the call.
struct QuestStep {
  int layer;
  TokenPos query;
  int64_t pages;
  // Bounds of every page, not scaled, [heads][stride]; made for the observer where all are taken.
  std::span<const float> bounds;
  int64_t stride;
  // Per unit (query head or KV head): the pages attended, ascending.
  std::span<const std::vector<int32_t>> selected;
};

// Sees what is chosen: for golden vectors, traces and statistics.
class QuestObserver {
 public:
  virtual ~QuestObserver() = default;
  virtual void OnStep(const QuestStep&) {}
};

// Of a state that MakeQuest's method made. Null detaches; copies of the state (forks) start without
// an observer.
void SetQuestObserver(MethodState& state, QuestObserver* observer);
const QuestPages& PagesOfQuest(const MethodState& state);

}  // namespace quarry
