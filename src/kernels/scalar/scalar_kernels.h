// The scalar reference of every kernel in the table; see kernel_table.h for the contracts.
#pragma once

#include "kernels/kernel_table.h"

namespace quarry::kernels::scalar {

void Attend(const AttendArgs& a);
int64_t AttendScratchFloats(int rows, int head_dim);
void ColumnSums(const float* weights, const float* row_scale, int rows, float* out);
void DiagonalSums(const float* weights, const float* row_scale, int rows, float* out);
void PackKeys(DType type, const float* rows, int64_t stride, int n, int head_dim, int lane,
              void* panel);
void PackValues(DType type, const float* rows, int64_t stride, int n, int head_dim, int lane,
                void* panel);
void DotRows(DType type, const void* rows, int64_t n, int64_t dim, const float* x, float* scores);

void KeyRange(DType type, const void* panel, int head_dim, int begin, int end, float* low,
              float* high);
void PageBounds(const PageBoundArgs& a);
void TopK(const float* scores, int64_t n, int64_t k, int32_t* out);

void GemvF32(const GemvArgs& a);
void GemvF16(const GemvArgs& a);
void GemvBf16(const GemvArgs& a);
void UnpackF16(const void* panel, int64_t k, float* out, int64_t out_stride);
void UnpackBf16(const void* panel, int64_t k, float* out, int64_t out_stride);

void QuantizeInputs(const float* x, int64_t k, InputGroup* out);
void GemvQuant(const GemvQuantArgs& a);
void UnpackQuant(WeightType type, const void* panel, int64_t k, float* out, int64_t out_stride);
void UnpackQuantBf16(WeightType type, const void* panel, int64_t k, BFloat16* out);

void RmsNorm(const float* x, const float* w, int64_t n, float eps, float* out);
void RotateHalves(const float* x, const float* cos, const float* sin, int64_t half, float* out);
void SiluMul(const float* gate, const float* up, int64_t n, float* out);
void Add(const float* x, int64_t n, float* y);
void Narrow(DType type, const float* x, int64_t n, void* out);
void Widen(DType type, const void* x, int64_t n, float* out);

double PeakF32(int64_t rounds);
uint64_t ReadAll(const void* data, int64_t bytes);

}  // namespace quarry::kernels::scalar
