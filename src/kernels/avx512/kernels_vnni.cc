// The AVX-512 kernels with integer dot products (VNNI): for quantised weights, and for decoding
// over int8 keys and values.

#define QUARRY_SIMD_NAMESPACE avx512vnni
#include "kernels/avx512/attend_int8-inl.h"
#include "kernels/simd/quant-inl.h"

namespace quarry::kernels {

const KernelTable& Avx512Kernels();

namespace avx512vnni {

void AttendVnni(const AttendArgs& a) {
  if (a.dtype == DType::kI8 && a.rows <= Int8Products::kMaxRows) {
    AttendWith<Int8Products>(a);
  } else {
    Avx512Kernels().attend(a);
  }
}

}  // namespace avx512vnni

const KernelTable& Avx512VnniKernels() {
  static const KernelTable table = [] {
    KernelTable t = Avx512Kernels();
    t.isa = "avx512vnni";
    t.attend = avx512vnni::AttendVnni;  // its scratch is less
    t.gemv_quant = avx512vnni::GemvQuant;
    return t;
  }();
  return table;
}

}  // namespace quarry::kernels
