// Quest's choice of pages (arXiv:2406.10774, and the two code paths of its authors) in float64, one
// key and one channel at a time. Shares no code with src/.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/reference/masked_attention.h"

namespace quarry::reference {

struct QuestOptions {
  enum class Group { kPerHead, kMean, kMax };
  int64_t page_size = 16;  // S
  int64_t budget = 0;      // T, in tokens
  bool eval = false;
  Group group = Group::kPerHead;
};

// Largest product of q with any vector that lies, channel by channel, within the range of the keys
// of tokens [begin, end): sum over d of |q_d| times the largest sign(q_d) k_d.
double PageBound(const double* q, const Rows& keys, int kv_head, int64_t begin, int64_t end);

// What the last of `tokens` tokens attends to: per query head, or per KV head for a shared list,
// the pages in ascending order. q: [heads][dim], rotated as the keys are.
std::vector<std::vector<int64_t>> QuestPageChoice(const QuestOptions& options, const double* q,
                                                  int heads, const Rows& keys, int64_t tokens);

}  // namespace quarry::reference
