// Element types and their conversions. bf16 and f16 are stored as bit patterns: the compilers in
// use have no portable type for both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "quarry/types.h"

#include "base/inline.h"

namespace quarry {

struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

// Of one element; kI8 has scales besides (kernels/panel.h).
QUARRY_ALWAYS_INLINE constexpr size_t SizeOf(DType type) {
  return type == DType::kF32 ? 4 : type == DType::kI8 ? 1 : 2;
}

constexpr std::string_view DTypeName(DType type) {
  switch (type) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kBF16:
      return "bf16";
    case DType::kI8:
      return "int8";
  }
  return "?";
}

QUARRY_ALWAYS_INLINE float ToFloat(BFloat16 x) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16);
}

// Round to nearest, ties to even; a NaN stays a NaN.
QUARRY_ALWAYS_INLINE BFloat16 ToBFloat16(float x) {
  const auto u = __builtin_bit_cast(uint32_t, x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((u >> 16) | 0x40u)};
  return {static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

QUARRY_ALWAYS_INLINE float ToFloat(Float16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = (x.bits >> 10) & 0x1fu;
  const uint32_t mantissa = x.bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  if (exponent == 0x1fu) return __builtin_bit_cast(float, sign | 0x7f800000u | (mantissa << 13));
  return __builtin_bit_cast(float, sign | ((exponent + 112) << 23) | (mantissa << 13));
}

// Round to nearest, ties to even; overflow becomes infinity.
QUARRY_ALWAYS_INLINE Float16 ToFloat16(float x) {
  const auto u = __builtin_bit_cast(uint32_t, x);
  const auto sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  const uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
  if (magnitude < 0x38800000u) {
    // Subnormal in f16: adding 0.5 leaves round(x * 2^24) in the low mantissa bits.
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (__builtin_bit_cast(uint32_t, shifted) - 0x3f000000u))};
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
}

// Round to nearest, ties away from zero; out of range becomes -127 or 127.
QUARRY_ALWAYS_INLINE int8_t ToInt8(float x) {
  const float in = x < -127.0f ? -127.0f : x < 127.0f ? x : 127.0f;
  return static_cast<int8_t>(static_cast<int32_t>(in + (in < 0 ? -0.5f : 0.5f)));
}

// The type of vectors that a method keeps about keys and values of `type`: rows of their own have
// no scales.
constexpr DType SummaryType(DType type) { return type == DType::kI8 ? DType::kF16 : type; }

// One element of an array of `type`; of kI8, the integer. No alignment is required.
QUARRY_ALWAYS_INLINE float LoadElement(DType type, const void* data, size_t index) {
  const auto* p = static_cast<const unsigned char*>(data) + index * SizeOf(type);
  if (type == DType::kF32) {
    float x;
    __builtin_memcpy(&x, p, 4);
    return x;
  }
  if (type == DType::kI8) return static_cast<float>(static_cast<int8_t>(*p));
  uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
  return type == DType::kBF16 ? ToFloat(BFloat16{bits}) : ToFloat(Float16{bits});
}

QUARRY_ALWAYS_INLINE void StoreElement(DType type, void* data, size_t index, float x) {
  auto* p = static_cast<unsigned char*>(data) + index * SizeOf(type);
  if (type == DType::kF32) {
    __builtin_memcpy(p, &x, 4);
    return;
  }
  if (type == DType::kI8) {
    *p = static_cast<unsigned char>(ToInt8(x));
    return;
  }
  const uint16_t bits = type == DType::kBF16 ? ToBFloat16(x).bits : ToFloat16(x).bits;
  __builtin_memcpy(p, &bits, 2);
}

}  // namespace quarry
