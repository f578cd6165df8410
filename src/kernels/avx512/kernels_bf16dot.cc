#define QUARRY_SIMD_NAMESPACE avx512bf16
#include "kernels/simd/table-inl.h"

namespace quarry::kernels {

const KernelTable& Avx512Bf16Kernels() {
  static constexpr KernelTable kTable = avx512bf16::MakeTable("avx512bf16");
  return kTable;
}

}  // namespace quarry::kernels
