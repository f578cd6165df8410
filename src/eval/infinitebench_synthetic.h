// The six tasks of InfiniteBench that are made, not collected: the same structure from a seed, in
// any size. The benchmark's own files cannot be made again, for their generator was never seeded.
#pragma once

#include <cstdint>
#include <string_view>

#include "eval/infinitebench.h"
#include "eval/python_random.h"

namespace quarry::eval {

// passkey, number_string, kv_retrieval, math_find, math_calc, code_run
bool IsSynthetic(std::string_view task);

// Sample `index` of `count`. size: lines of filler, pairs, numbers or functions, at least
// SmallestSize(task). The official sizes at 128K tokens are 5220, 5220, 2500, 60000, 30000, 550.
// REQUIRES: IsSynthetic(task).
InfiniteBenchExample MakeSynthetic(std::string_view task, int64_t size, int64_t index,
                                   int64_t count, PythonRandom& random);
int64_t SmallestSize(std::string_view task);

}  // namespace quarry::eval
