// How far the engine's attention may be from the same attention in float64: a worst case, derived
// from the arithmetic that src/ promises (f32 sums in any order), never tried.
//
// u = 2^-24 is the relative error of one f32 operation, w that of storing a key: 2^-8 for bf16,
// 2^-11 for f16, 0 for f32. int8: an element is off by half a scale, the scale is a 127th of the
// largest of 32 channels, rounded up by at most 2^-7: half / 127 of it, which is at most the length
// of these channels, times sqrt(32) for the length of the error; twice, where a key is stored raw
// and the rotated one made from that. All inputs are exact in the other types (RandomInputs). |q|,
// |k| are vector lengths, D the head dimension, n the keys of a row, T the tiles they are processed
// in.
//
//   rotation   cos and sin are rounded, two products and a sum: each channel of a pair is off by at
//              most 3u of the pair's length, a vector by 3 sqrt(2) u < 5u of its length. A key is
//              then stored: w more. A bf16 dot product rounds the query as well: 2^-8.
//   score      a sum of D products, off by D u of the sum of their magnitudes, which is at most
//              |q||k|; scaled: 2u. Together
//                score = |q||k| / sqrt(D) * (10u + w + D u + 2u)
//   weight     exp(s - m): the score's error; the difference is rounded, at most range * u with
//              range = 2 |q||k| / sqrt(D); exp itself is off by at most 4u (vec-inl.h). When m
//              grows, everything is rescaled by exp(m - m'): the differences add up to at most
//              `range`, each factor and its product cost 5u. Together, relative,
//                weight = score + (2 range + 4 + 5T) u
//   sums       of n weights, and of n weighted values, T rescalings between: (n + T) u
//
// A probability is a weight over a sum of weights; an output channel is a sum of weighted values
// over the same; both are off by twice `weight` and the sums' errors. Rounding weights to bf16
// (bf16 dot products) adds 2^-8 of the largest value, storing values as int8 half a scale.
#pragma once

#include <cmath>
#include <cstdint>

#include "quarry/types.h"

#include "kernels/kernel_table.h"

namespace quarry {

inline constexpr double kUnitF32 = 0x1p-24;

// Half a scale of int8, relative to the largest of its block.
inline constexpr double kInt8Error = 0.5 / 127 * (1 + 0x1p-7);

// Relative error of storing a number (int8: a vector) as `dtype`.
inline double StorageError(DType dtype) {
  if (dtype == DType::kI8) return 2 * std::sqrt(32.0) * kInt8Error;
  return dtype == DType::kF32 ? 0 : dtype == DType::kF16 ? 0x1p-11 : 0x1p-8;
}

struct BoundInput {
  DType dtype = DType::kF32;
  const kernels::KernelTable* kernels = nullptr;
  int head_dim = 0;
  int64_t keys = 0;  // of one row, at most
  double q_norm = 0, k_norm = 0, v_max = 0;
  double magnitude = 1;  // of the rotation
};

struct AttentionBounds {
  double score = 0;        // absolute, of a scaled score
  double probability = 0;  // relative
  double out = 0;          // absolute, of an output channel
};

inline AttentionBounds BoundsOf(const BoundInput& in) {
  const double u = kUnitF32;
  const auto n = static_cast<double>(in.keys);
  const double tiles = n / 4 + 8;  // a panel holds one key at least, but for the last of a segment
  const bool bf16_dot = in.kernels->isa == "avx512bf16" && in.dtype == DType::kBF16;
  const double length = in.q_norm * in.k_norm * std::fmax(1, in.magnitude * in.magnitude) /
                        std::sqrt(static_cast<double>(in.head_dim));
  AttentionBounds b;
  b.score = length * ((12 + in.head_dim) * u + StorageError(in.dtype) + (bf16_dot ? 0x1p-8 : 0));
  const double weight = b.score + (4 * length + 4 + 5 * tiles) * u;
  b.probability = std::expm1(2 * weight + (n + tiles + 5) * u);
  b.out = in.v_max * (std::expm1(2 * weight + 2 * (n + tiles + 3) * u) + (bf16_dot ? 0x1p-8 : 0) +
                      (in.dtype == DType::kI8 ? kInt8Error : 0));
  return b;
}

}  // namespace quarry
