// What every operation gets: the kernels, the threads and their working memory. Nothing is a
// singleton; two engines in one process have two of these.
#pragma once

#include <memory>
#include <vector>

#include "base/scratch.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace quarry {

class GemmWorker;

// One forward pass at a time uses a context.
class ExecContext {
 public:
  // bf16_products: round the inputs of matrix products with bf16 weights, and of attention, to bf16
  // where that is the faster arithmetic; otherwise they stay f32. REQUIRES: n_threads >= 1;
  // `kernels` outlives the context.
  ExecContext(const kernels::KernelTable& kernels, int n_threads, bool bf16_products = false);
  ~ExecContext();

  const kernels::KernelTable& kernels() const { return kernels_; }
  bool bf16_products() const { return bf16_products_; }
  ThreadPool& threads() { return threads_; }
  // Working memory of one worker of the pool; worker 0 is the calling thread.
  Scratch& scratch(int worker = 0) { return scratch_[static_cast<size_t>(worker)]; }
  // Matrix products of one worker; null with scalar kernels, which multiply by themselves.
  GemmWorker* gemm(int worker);

 private:
  const kernels::KernelTable& kernels_;
  const bool bf16_products_;
  ThreadPool threads_;
  std::vector<Scratch> scratch_;
  std::vector<std::unique_ptr<GemmWorker>> gemm_;
};

}  // namespace quarry
