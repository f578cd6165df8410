#define QUARRY_SIMD_NAMESPACE avx2
#include "kernels/simd/table-inl.h"

namespace quarry::kernels {

const KernelTable& Avx2Kernels() {
  static constexpr KernelTable kTable = avx2::MakeTable("avx2");
  return kTable;
}

}  // namespace quarry::kernels
