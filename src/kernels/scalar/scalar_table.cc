#include "kernels/dispatch.h"
#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels {

const KernelTable& ScalarKernels() {
  static constexpr KernelTable kTable = {
      .isa = "scalar",
      .prefers_bf16 = false,
      .attend = scalar::Attend,
      .attend_scratch_floats = scalar::AttendScratchFloats,
      .column_sums = scalar::ColumnSums,
      .diagonal_sums = scalar::DiagonalSums,
      .pack_keys = scalar::PackKeys,
      .pack_values = scalar::PackValues,
      .dot_rows = scalar::DotRows,
      .key_range = scalar::KeyRange,
      .page_bounds = scalar::PageBounds,
      .top_k = scalar::TopK,
      .gemv_f32 = scalar::GemvF32,
      .gemv_f16 = scalar::GemvF16,
      .gemv_bf16 = scalar::GemvBf16,
      .unpack_f16 = scalar::UnpackF16,
      .unpack_bf16 = scalar::UnpackBf16,
      .quantize_inputs = scalar::QuantizeInputs,
      .gemv_quant = scalar::GemvQuant,
      .unpack_quant = scalar::UnpackQuant,
      .unpack_quant_bf16 = scalar::UnpackQuantBf16,
      .rms_norm = scalar::RmsNorm,
      .rotate_halves = scalar::RotateHalves,
      .silu_mul = scalar::SiluMul,
      .add = scalar::Add,
      .narrow = scalar::Narrow,
      .widen = scalar::Widen,
      .peak_f32 = scalar::PeakF32,
      .peak_bf16 = nullptr,
      .read_all = scalar::ReadAll,
  };
  return kTable;
}

}  // namespace quarry::kernels
