// The machine under a benchmark: what it is, and the ceilings that results are compared with.
#pragma once

#include <cstdint>
#include <string>

#include "quarry/status.h"

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace quarry::bench {

// What all threads of the pool reach together, measured.
struct Peaks {
  double f32_flops = 0;
  double bf16_flops = 0;  // 0: no bf16 dot product
  double read_bytes = 0;  // from memory, a buffer no cache holds
};

struct Machine {
  std::string cpu;  // "Intel(R) Xeon(R) Processor", from the system
  std::string isa;
  int threads = 0;
  Peaks peaks;
};

// Takes about two seconds and 1 GiB. Throws std::bad_alloc.
Machine MeasureMachine(const kernels::KernelTable& kernels, ThreadPool& pool);

// What a loop must read for its time to be that of memory: twice the last cache, where the system
// tells its size, between 256 MiB and 1 GiB.
int64_t BytesBeyondCaches();

// `threads` if it is between 1 and 1024; of 0, as many as the machine has cores.
Result<int> ThreadCount(int threads);

}  // namespace quarry::bench
