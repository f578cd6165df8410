// InfiniteBench (Zhang et al., arXiv:2402.13718): prompts of its twelve tasks from its own files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "eval/metrics.h"

namespace quarry::eval {

// A line of {task}.jsonl.
struct InfiniteBenchExample {
  std::string context;
  std::string input;
  std::vector<std::string> answers;
  std::vector<std::string> options;
};

struct InfiniteBenchTaskInfo {
  std::string_view name;  // "kv_retrieval"; the file is {name}.jsonl
  std::string_view prompt;
  int64_t max_new_tokens = 0;
  double (*score)(std::string_view prediction, Labels labels) = nullptr;
};

// In the order of the paper.
std::span<const InfiniteBenchTaskInfo> InfiniteBenchInfos();

Result<InfiniteBenchExample> ParseInfiniteBench(std::string_view json);
// Errors: an example that lacks what its task's prompt needs.
Result<std::string> InfiniteBenchPrompt(const InfiniteBenchTaskInfo& task,
                                        const InfiniteBenchExample& example);
// What the answer is compared with: for multiple choice the right option and its letter.
std::vector<std::string> InfiniteBenchLabels(const InfiniteBenchTaskInfo& task,
                                             const InfiniteBenchExample& example);

}  // namespace quarry::eval
