// The hot kernels alone, each with its share of the machine's measured peak.
//
// Workloads. What is measured in bytes/s reads BytesBeyondCaches() of them.
//   attend prefill   128 rows (2 heads x 64 positions) over 2048 tokens: FLOP/s; with f32 products,
//                    and rounded to bf16 where that is faster (--fast)
//   attend decode    2 or 8 rows (one position of a group) over the tokens of one KV head: bytes/s
//   gemv             matrix of 8192 inputs, one row: bytes/s
//   dot_rows         block representatives, rows of 256: bytes/s
//   page_bounds      Quest's bounds of pages of one KV head, 1 and 4 queries: bytes/s
//   widen            one panel of 64 quantised rows to f32: values/s
//   top_k            the best pages of 128K and 1M tokens, beside std::nth_element
#pragma once

#include <string>

#include "bench/report.h"

namespace quarry::bench {

struct KernelBenchOptions {
  std::string isa;  // empty: QUARRY_ISA, else the best of this CPU
  int threads = 0;  // 0: all cores
};

Result<BenchReport> RunKernelBench(const KernelBenchOptions& options, const BenchControl& control);

}  // namespace quarry::bench
