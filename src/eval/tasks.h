// The tasks, one source file each; task_list.cc puts them in order.
#pragma once

#include <span>

#include "eval/task.h"

namespace quarry::eval {

const EvalTask& PasskeyTaskInstance();
const EvalTask& NeedleTaskInstance();
const EvalTask& NeedleFactTaskInstance();
const EvalTask& KvRetrievalTaskInstance();
const EvalTask& PerplexityTaskInstance();
// multi-needle, facts, variables
std::span<const EvalTask* const> PlantedTasks();
// niah_*, vt, cwe, fwe
std::span<const EvalTask* const> RulerTasks();
bool IsRulerTask(std::string_view name);
// InfiniteBench's own files
std::span<const EvalTask* const> InfiniteBenchTasks();

}  // namespace quarry::eval
