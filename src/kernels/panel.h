// How keys and values lie in memory: panels of 16 consecutive tokens of one KV head.
//
//   keys     f32, f16: [head_dim][16]       bf16: [head_dim / 2][16][2]
//   values   f32, f16: [16][value_stride]   bf16: [8][value_stride][2]   (pairs of tokens
//   innermost)
//
// int8 panels are laid out like f16 ones, followed by scales (bf16), one for every 32 channels of a
// token: [blocks][16].
//
// bf16 pairs lie the way a bf16 dot-product instruction takes them; where there is none, one 32-bit
// load and a shift give two f32 vectors. There is no such instruction for f16. Tokens can be
// appended one at a time. Values are padded to value_stride = head_dim rounded up to 16; padding
// and lanes not yet written are zero, because a masked token contributes 0 * value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/inline.h"
#include "tensor/dtype.h"

namespace quarry::kernels {

inline constexpr int kPanelTokens = 16;
inline constexpr int kMaxHeadDim = 256;

QUARRY_ALWAYS_INLINE constexpr int ValueStride(int head_dim) { return (head_dim + 15) / 16 * 16; }

// int8: channels of a token that share a scale.
inline constexpr int kScaleBlock = 32;
QUARRY_ALWAYS_INLINE constexpr int ScaleBlocks(int head_dim) {
  return (head_dim + kScaleBlock - 1) / kScaleBlock;
}
QUARRY_ALWAYS_INLINE constexpr size_t ScaleBytes(DType type, int head_dim) {
  return type == DType::kI8
             ? sizeof(BFloat16) * kPanelTokens * static_cast<size_t>(ScaleBlocks(head_dim))
             : 0;
}

QUARRY_ALWAYS_INLINE constexpr size_t KeyPanelBytes(DType type, int head_dim) {
  return SizeOf(type) * kPanelTokens * static_cast<size_t>(head_dim) + ScaleBytes(type, head_dim);
}
QUARRY_ALWAYS_INLINE constexpr size_t ValuePanelBytes(DType type, int head_dim) {
  return SizeOf(type) * kPanelTokens * static_cast<size_t>(ValueStride(head_dim)) +
         ScaleBytes(type, head_dim);
}

// Index of one element inside a panel.
QUARRY_ALWAYS_INLINE constexpr size_t KeyIndex(DType type, int lane, int dim) {
  const auto l = static_cast<size_t>(lane), d = static_cast<size_t>(dim);
  return type == DType::kBF16 ? (d / 2 * 16 + l) * 2 + d % 2 : d * 16 + l;
}
QUARRY_ALWAYS_INLINE constexpr size_t ValueIndex(DType type, int value_stride, int lane, int dim) {
  const auto s = static_cast<size_t>(value_stride);
  const auto l = static_cast<size_t>(lane), d = static_cast<size_t>(dim);
  return type == DType::kBF16 ? (l / 2 * s + d) * 2 + l % 2 : l * s + d;
}

// The scales of an int8 panel.
QUARRY_ALWAYS_INLINE const BFloat16* KeyScales(const void* panel, int head_dim) {
  return reinterpret_cast<const BFloat16*>(static_cast<const int8_t*>(panel) +
                                           kPanelTokens * head_dim);
}
QUARRY_ALWAYS_INLINE const BFloat16* ValueScales(const void* panel, int head_dim) {
  return reinterpret_cast<const BFloat16*>(static_cast<const int8_t*>(panel) +
                                           kPanelTokens * ValueStride(head_dim));
}
QUARRY_ALWAYS_INLINE BFloat16* KeyScales(void* panel, int head_dim) {
  return const_cast<BFloat16*>(KeyScales(static_cast<const void*>(panel), head_dim));
}
QUARRY_ALWAYS_INLINE BFloat16* ValueScales(void* panel, int head_dim) {
  return const_cast<BFloat16*>(ValueScales(static_cast<const void*>(panel), head_dim));
}

// One number of a panel.
QUARRY_ALWAYS_INLINE float LoadKey(DType type, const void* panel, int head_dim, int lane, int dim) {
  const float x = LoadElement(type, panel, KeyIndex(type, lane, dim));
  if (type != DType::kI8) return x;
  return x * ToFloat(KeyScales(panel, head_dim)[dim / kScaleBlock * kPanelTokens + lane]);
}
QUARRY_ALWAYS_INLINE float LoadValue(DType type, const void* panel, int head_dim, int lane,
                                     int dim) {
  const float x = LoadElement(type, panel, ValueIndex(type, ValueStride(head_dim), lane, dim));
  if (type != DType::kI8) return x;
  return x * ToFloat(ValueScales(panel, head_dim)[dim / kScaleBlock * kPanelTokens + lane]);
}

// The scale of n <= 32 channels: the smallest bf16 number that lets the largest magnitude fit.
QUARRY_ALWAYS_INLINE BFloat16 Int8Scale(const float* x, int n) {
  float largest = 0;
  for (int i = 0; i < n; ++i) {
    const float a = x[i] < 0 ? -x[i] : x[i];
    largest = a > largest ? a : largest;
  }
  const auto bits = __builtin_bit_cast(uint32_t, largest / 127.0f);
  return {static_cast<uint16_t>((bits + 0xffffu) >> 16)};
}

// The channels become q * scale, none off by more than half the scale, which is returned.
QUARRY_ALWAYS_INLINE BFloat16 QuantizeBlock(const float* x, int n, int8_t* q) {
  const BFloat16 scale = Int8Scale(x, n);
  const float inverse = scale.bits == 0 ? 0.0f : 1.0f / ToFloat(scale);
  for (int i = 0; i < n; ++i) q[i] = ToInt8(x[i] * inverse);
  return scale;
}

// The pack_keys and pack_values kernels for int8, on every instruction set.
QUARRY_ALWAYS_INLINE void PackInt8Keys(const float* rows, int64_t stride, int n, int head_dim,
                                       int lane, void* panel) {
  auto* out = static_cast<int8_t*>(panel) + lane;
  auto* scales = KeyScales(panel, head_dim) + lane;
  for (int t = 0; t < n; ++t) {
    for (int d = 0; d < head_dim; d += kScaleBlock) {
      const int channels = head_dim - d < kScaleBlock ? head_dim - d : kScaleBlock;
      int8_t q[kScaleBlock];
      scales[d / kScaleBlock * kPanelTokens + t] =
          QuantizeBlock(rows + t * stride + d, channels, q);
      for (int i = 0; i < channels; ++i) out[(d + i) * kPanelTokens + t] = q[i];
    }
  }
}
QUARRY_ALWAYS_INLINE void PackInt8Values(const float* rows, int64_t stride, int n, int head_dim,
                                         int lane, void* panel) {
  auto* out = static_cast<int8_t*>(panel);
  auto* scales = ValueScales(panel, head_dim);
  for (int t = 0; t < n; ++t) {
    for (int d = 0; d < head_dim; d += kScaleBlock) {
      const int channels = head_dim - d < kScaleBlock ? head_dim - d : kScaleBlock;
      scales[d / kScaleBlock * kPanelTokens + lane + t] = QuantizeBlock(
          rows + t * stride + d, channels, out + (lane + t) * ValueStride(head_dim) + d);
    }
  }
}

// One panel as the attention kernel sees it.
struct KeyPanel {
  const void* keys;
  const void* values;
  int32_t first;   // token position of lane 0; below 0: rows see its lanes wherever they are
  uint32_t lanes;  // bit i: lane i belongs to the selection
};

}  // namespace quarry::kernels
