// How keys and values lie in memory: panels of 16 consecutive tokens of one KV head.
//
//   keys     f32: [head_dim][16]         bf16: [head_dim / 2][16][2]
//   values   f32: [16][value_stride]     bf16: [8][value_stride][2]   (pairs of tokens innermost)
//
// bf16 pairs lie the way a bf16 dot-product instruction takes them; where there is none, one 32-bit
// load and a shift give two f32 vectors. Tokens can be appended one at a time. Values are padded to
// value_stride = head_dim rounded up to 16; padding and lanes not yet written are zero, because a
// masked token contributes 0 * value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace quarry::kernels {

inline constexpr int kPanelTokens = 16;

constexpr int ValueStride(int head_dim) { return (head_dim + 15) / 16 * 16; }

constexpr size_t KeyPanelBytes(DType type, int head_dim) {
  return SizeOf(type) * kPanelTokens * static_cast<size_t>(head_dim);
}
constexpr size_t ValuePanelBytes(DType type, int head_dim) {
  return SizeOf(type) * kPanelTokens * static_cast<size_t>(ValueStride(head_dim));
}

// Index of one element inside a panel.
constexpr size_t KeyIndex(DType type, int lane, int dim) {
  return type == DType::kF32 ? static_cast<size_t>(dim) * 16 + static_cast<size_t>(lane)
                             : static_cast<size_t>(dim / 2) * 32 + static_cast<size_t>(lane) * 2 +
                                   static_cast<size_t>(dim % 2);
}
constexpr size_t ValueIndex(DType type, int value_stride, int lane, int dim) {
  return type == DType::kF32 ? static_cast<size_t>(lane) * static_cast<size_t>(value_stride) +
                                   static_cast<size_t>(dim)
                             : (static_cast<size_t>(lane / 2) * static_cast<size_t>(value_stride) +
                                static_cast<size_t>(dim)) *
                                       2 +
                                   static_cast<size_t>(lane % 2);
}

// One panel as the attention kernel sees it.
struct KeyPanel {
  const void* keys;
  const void* values;
  int32_t first;   // token position of lane 0; below 0: rows see its lanes wherever they are
  uint32_t lanes;  // bit i: lane i belongs to the selection
};

}  // namespace quarry::kernels
