// The table of the kernels in this folder, for the instruction set of the including file.
#pragma once

#include "kernels/simd/attend_direct-inl.h"
#include "kernels/simd/linear-inl.h"
#include "kernels/simd/peak-inl.h"
#include "kernels/simd/quant-inl.h"
#include "kernels/simd/rows-inl.h"
#include "kernels/simd/select-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

constexpr KernelTable MakeTable(const char* isa) {
  return {
      .isa = isa,
      .prefers_bf16 = false,
      .attend = Attend,
      .attend_scratch_floats = AttendScratchFloats,
      .column_sums = ColumnSums,
      .diagonal_sums = DiagonalSums,
      .pack_keys = PackKeys,
      .pack_values = PackValues,
      .dot_rows = DotRows,
      .key_range = KeyRange,
      .page_bounds = PageBounds,
      .top_k = TopK,
      .gemv_f32 = GemvF32,
      .gemv_f16 = GemvF16,
      .gemv_bf16 = GemvBf16,
      .unpack_f16 = UnpackF16,
      .unpack_bf16 = UnpackBf16,
      .quantize_inputs = QuantizeInputs,
      .gemv_quant = GemvQuant,
      .unpack_quant = UnpackQuant,
      .unpack_quant_bf16 = UnpackQuantBf16,
      .rms_norm = RmsNorm,
      .rotate_halves = RotateHalves,
      .silu_mul = SiluMul,
      .add = Add,
      .narrow = Narrow,
      .widen = Widen,
      .peak_f32 = PeakF32,
      .peak_bf16 = nullptr,
      .read_all = ReadAll,
  };
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
