// The AVX-512 kernels with integer dot products (VNNI) for quantised weights.

#define QUARRY_SIMD_NAMESPACE avx512vnni
#include "kernels/simd/quant-inl.h"

namespace quarry::kernels {

const KernelTable& Avx512Kernels();

const KernelTable& Avx512VnniKernels() {
  static const KernelTable table = [] {
    KernelTable t = Avx512Kernels();
    t.isa = "avx512vnni";
    t.gemv_quant = avx512vnni::GemvQuant;
    return t;
  }();
  return table;
}

}  // namespace quarry::kernels
