#include "ops/exec_context.h"

#include "ops/gemm_worker.h"

namespace quarry {

ExecContext::ExecContext(const kernels::KernelTable& kernels, int n_threads, bool bf16_products)
    : kernels_(kernels),
      bf16_products_(bf16_products && kernels.prefers_bf16),
      threads_(n_threads),
      scratch_(static_cast<size_t>(n_threads)) {
  if (kernels.isa == "scalar") return;
  for (int i = 0; i < n_threads; ++i) gemm_.push_back(std::make_unique<GemmWorker>());
}

ExecContext::~ExecContext() = default;

GemmWorker* ExecContext::gemm(int worker) {
  return gemm_.empty() ? nullptr : gemm_[static_cast<size_t>(worker)].get();
}

}  // namespace quarry
