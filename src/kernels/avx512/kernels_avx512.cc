#define QUARRY_SIMD_NAMESPACE avx512
#include "kernels/simd/table-inl.h"

namespace quarry::kernels {

const KernelTable& Avx512Kernels() {
  static constexpr KernelTable kTable = avx512::MakeTable("avx512");
  return kTable;
}

}  // namespace quarry::kernels
