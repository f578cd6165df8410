// The storage types of weights: their names, and how many bytes a row takes.
#pragma once

#include <cstdint>
#include <string_view>

#include "quarry/types.h"

#include "base/inline.h"

namespace quarry {

// Values are stored in blocks; a row is a whole number of them.
struct WeightBlock {
  int values;
  int bytes;
};

QUARRY_ALWAYS_INLINE constexpr WeightBlock BlockOf(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return {1, 4};
    case WeightType::kF16:
    case WeightType::kBF16:
      return {1, 2};
    case WeightType::kQ8_0:
      return {32, 34};
    case WeightType::kQ4_0:
      return {32, 18};
    case WeightType::kQ4_1:
      return {32, 20};
    case WeightType::kQ5_0:
      return {32, 22};
    case WeightType::kQ5_1:
      return {32, 24};
    case WeightType::kQ4_K:
      return {256, 144};
    case WeightType::kQ5_K:
      return {256, 176};
    case WeightType::kQ6_K:
      return {256, 210};
  }
  return {1, 4};
}

QUARRY_ALWAYS_INLINE constexpr bool IsQuantized(WeightType type) {
  return BlockOf(type).values > 1;
}

// Bytes of a row of n values. REQUIRES: n is a multiple of the block's values.
QUARRY_ALWAYS_INLINE constexpr int64_t RowBytes(WeightType type, int64_t n) {
  return n / BlockOf(type).values * BlockOf(type).bytes;
}

inline constexpr WeightType kWeightTypes[] = {
    WeightType::kF32,  WeightType::kF16,  WeightType::kBF16, WeightType::kQ8_0,
    WeightType::kQ4_0, WeightType::kQ4_1, WeightType::kQ5_0, WeightType::kQ5_1,
    WeightType::kQ4_K, WeightType::kQ5_K, WeightType::kQ6_K};

constexpr std::string_view WeightTypeName(WeightType type) {
  constexpr std::string_view kNames[] = {"f32",  "f16",  "bf16", "q8_0", "q4_0", "q4_1",
                                         "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"};
  return kNames[static_cast<size_t>(type)];
}

constexpr WeightType WeightTypeOf(DType type) {
  return type == DType::kF32   ? WeightType::kF32
         : type == DType::kF16 ? WeightType::kF16
                               : WeightType::kBF16;
}

}  // namespace quarry
