// Vector helpers shared by the SIMD kernel files. Written over Highway; compiled once per
// instruction set, in the namespace QUARRY_SIMD_NAMESPACE that the including file defines.
//
// Included by ISA files only: nothing here may include standard containers, because the linker
// could then keep an AVX-512 copy of an inline function for everyone.
#pragma once

#include <cstdint>

#include <hwy/highway.h>

#include "kernels/kernel_table.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using I32 = hn::RebindToSigned<F32>;
using U32 = hn::RebindToUnsigned<F32>;
using VecF = hn::Vec<F32>;
using VecI = hn::Vec<I32>;
using VecU = hn::Vec<U32>;

// Streams of weights are asked for this far ahead of their use. Intel's cores see less far by
// themselves: a third faster than without, and than with 2 or 8 KiB. AMD's Zen 4 sees far enough,
// and loses a seventh of its bandwidth to the asking: its set is compiled with 0, for none.
#ifndef QUARRY_WEIGHTS_AHEAD
#define QUARRY_WEIGHTS_AHEAD 4096
#endif
// Asks for `bytes` (whole lines) of weights at `at`.
HWY_INLINE void AskAhead(const void* at, int64_t bytes) {
  if constexpr (QUARRY_WEIGHTS_AHEAD == 0) return;
  for (int64_t line = 0; line < bytes; line += 64) {
    __builtin_prefetch(static_cast<const char*>(at) + QUARRY_WEIGHTS_AHEAD + line, 0, 3);
  }
}

inline constexpr int kLanes = HWY_MAX_BYTES / 4;  // 16 on AVX-512, 8 on AVX2, 4 on NEON
inline constexpr F32 kF32;
inline constexpr I32 kI32;
inline constexpr U32 kU32;

HWY_INLINE VecF Splat(float x) { return hn::Set(kF32, x); }
HWY_INLINE VecF LoadF(const float* p) { return hn::LoadU(kF32, p); }
HWY_INLINE void StoreF(VecF v, float* p) { hn::StoreU(v, kF32, p); }

// The first n values, zeros behind them; nothing past p + n is read where n is a multiple of 4.
HWY_INLINE VecF LoadUpTo(const float* p, int n) {
  return n >= kLanes ? LoadF(p) : hn::MaskedLoad(hn::FirstN(kF32, static_cast<size_t>(n)), kF32, p);
}

// kLanes pairs of bf16 -> the f32 values of the first and of the second elements.
HWY_INLINE void LoadBf16Pairs(const void* p, VecF& first, VecF& second) {
  const VecU pairs = hn::LoadU(kU32, static_cast<const uint32_t*>(p));
  first = hn::BitCast(kF32, hn::ShiftLeft<16>(pairs));
  second = hn::BitCast(kF32, hn::And(pairs, hn::Set(kU32, 0xffff0000u)));
}

// kLanes consecutive bf16 -> f32.
HWY_INLINE VecF LoadBf16(const BFloat16* p) {
  const hn::Rebind<uint16_t, F32> half;
  const auto bits = hn::LoadU(half, reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(kF32, hn::ShiftLeft<16>(hn::PromoteTo(kU32, bits)));
}

// kLanes consecutive f16 -> f32, and back with ties to even.
HWY_INLINE VecF LoadF16(const void* p) {
  const hn::Rebind<hwy::float16_t, F32> half;
  return hn::PromoteTo(kF32, hn::LoadU(half, static_cast<const hwy::float16_t*>(p)));
}
HWY_INLINE void StoreF16(VecF x, void* p) {
  const hn::Rebind<hwy::float16_t, F32> half;
  hn::StoreU(hn::DemoteTo(half, x), half, static_cast<hwy::float16_t*>(p));
}

// kLanes consecutive int8 -> f32.
HWY_INLINE VecF LoadI8(const int8_t* p) {
  const hn::Rebind<int8_t, F32> bytes;
  return hn::ConvertTo(kF32, hn::PromoteTo(kI32, hn::LoadU(bytes, p)));
}

// f32 -> bf16 bits in the low halves of 32-bit lanes; ties to even, a NaN stays a NaN.
HWY_INLINE VecU RoundToBf16(VecF x) {
  const VecU u = hn::BitCast(kU32, x);
  const VecU odd = hn::And(hn::ShiftRight<16>(u), hn::Set(kU32, 1));
  const VecU rounded = hn::ShiftRight<16>(hn::Add(u, hn::Add(odd, hn::Set(kU32, 0x7fff))));
  const VecU quiet = hn::Or(hn::ShiftRight<16>(u), hn::Set(kU32, 0x40));
  return hn::IfThenElse(hn::RebindMask(kU32, hn::IsNaN(x)), quiet, rounded);
}

HWY_INLINE void StoreBf16(VecF x, BFloat16* p) {
  const hn::Rebind<uint16_t, F32> half;
  const auto bits = hn::DemoteTo(half, hn::BitCast(kI32, RoundToBf16(x)));
  hn::StoreU(bits, half, reinterpret_cast<uint16_t*>(p));
}

// e^x for x <= 88, relative error below 2e-7 + 6e-8 |x|; 0 for x <= -88.03 and for -inf.
// 2^n P(r) with |r| <= 1/2, P the polynomial of degree 5 with P(0) = 1 whose largest relative
// error there is least (1.1e-7).
HWY_INLINE VecF Exp(VecF x) {
  // Numbers this large have no fraction: adding it rounds, and leaves n in the low bits.
  const VecF whole = Splat(12582912.0f);  // 1.5 * 2^23
  // 2^-127 comes out as 0: P(0) = 1 has exponent bits alone, and they are all taken away.
  const VecF y = hn::Max(hn::Mul(x, Splat(1.44269504f)), Splat(-127.0f));
  const VecF shifted = hn::Add(y, whole);
  const VecF r = hn::Sub(y, hn::Sub(shifted, whole));
  VecF p = hn::MulAdd(r, Splat(1.32647424e-3f), Splat(9.67151765e-3f));
  p = hn::MulAdd(p, r, Splat(5.55073359e-2f));
  p = hn::MulAdd(p, r, Splat(0.240222424f));
  p = hn::MulAdd(p, r, Splat(0.693147004f));
  p = hn::MulAdd(p, r, Splat(1.0f));
  // Times 2^n: n more in the exponent.
  const VecI n = hn::ShiftLeft<23>(hn::BitCast(kI32, shifted));
  return hn::BitCast(kF32, hn::Add(hn::BitCast(kI32, p), n));
}

HWY_INLINE float Sum(VecF v) { return hn::GetLane(hn::SumOfLanes(kF32, v)); }
HWY_INLINE float Largest(VecF v) { return hn::GetLane(hn::MaxOfLanes(kF32, v)); }

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
