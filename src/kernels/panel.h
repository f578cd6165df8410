// How keys and values lie in memory: panels of 16 consecutive tokens of one KV head.
//
//   keys     f32, f16: [head_dim][16]       bf16: [head_dim / 2][16][2]
//   values   f32, f16: [16][value_stride]   bf16: [8][value_stride][2]   (pairs of tokens
//   innermost)
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

QUARRY_ALWAYS_INLINE constexpr int ValueStride(int head_dim) { return (head_dim + 15) / 16 * 16; }

QUARRY_ALWAYS_INLINE constexpr size_t KeyPanelBytes(DType type, int head_dim) {
  return SizeOf(type) * kPanelTokens * static_cast<size_t>(head_dim);
}
QUARRY_ALWAYS_INLINE constexpr size_t ValuePanelBytes(DType type, int head_dim) {
  return SizeOf(type) * kPanelTokens * static_cast<size_t>(ValueStride(head_dim));
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

// One panel as the attention kernel sees it.
struct KeyPanel {
  const void* keys;
  const void* values;
  int32_t first;   // token position of lane 0; below 0: rows see its lanes wherever they are
  uint32_t lanes;  // bit i: lane i belongs to the selection
};

}  // namespace quarry::kernels
