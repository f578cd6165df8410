#define QUARRY_SIMD_NAMESPACE neon
#include "kernels/simd/table-inl.h"

namespace quarry::kernels {

const KernelTable& NeonKernels() {
  static constexpr KernelTable kTable = neon::MakeTable("neon");
  return kTable;
}

}  // namespace quarry::kernels
