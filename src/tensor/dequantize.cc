#include <cstring>

#include "base/check.h"
#include "tensor/dtype.h"
#include "tensor/quantize.h"

namespace quarry {
namespace {

float LoadF16(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return ToFloat(Float16{bits});
}

uint32_t LoadU32(const uint8_t* p) {
  uint32_t bits;
  std::memcpy(&bits, p, 4);
  return bits;
}

void Q8_0(const uint8_t* b, float* out) {
  const float d = LoadF16(b);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
}

// Q4_0, Q4_1, Q5_0, Q5_1: d (q - offset) or d q + m, with nibbles and, for 5 bits, a word of high
// bits.
template <bool kFiveBits, bool kMinimum>
void Nibbles(const uint8_t* b, float* out) {
  const float d = LoadF16(b);
  const float m = kMinimum ? LoadF16(b + 2) : 0;
  const uint8_t* at = b + (kMinimum ? 4 : 2);
  const uint32_t high = kFiveBits ? LoadU32(at) : 0;
  const uint8_t* qs = at + (kFiveBits ? 4 : 0);
  for (int e = 0; e < 32; ++e) {
    int q = e < 16 ? qs[e] & 15 : qs[e - 16] >> 4;
    if (kFiveBits) q |= static_cast<int>(high >> e & 1) << 4;
    constexpr int kOffset = kFiveBits ? 16 : 8;
    out[e] = kMinimum ? d * static_cast<float>(q) + m : d * static_cast<float>(q - kOffset);
  }
}

template <bool kFiveBits>
void K45(const uint8_t* b, float* out) {
  const float d = LoadF16(b), dmin = LoadF16(b + 2);
  uint8_t sc[8], mn[8];
  UnpackScales6(b + 4, sc, mn);
  const uint8_t* qh = b + 16;
  const uint8_t* qs = qh + (kFiveBits ? 32 : 0);
  for (int e = 0; e < 256; ++e) {
    const int j = e / 32, l = e % 32;
    const uint8_t byte = qs[32 * (j / 2) + l];
    int q = j % 2 == 0 ? byte & 15 : byte >> 4;
    if (kFiveBits) q += 16 * (qh[l] >> j & 1);
    out[e] =
        d * static_cast<float>(sc[j]) * static_cast<float>(q) - dmin * static_cast<float>(mn[j]);
  }
}

void Q6_K(const uint8_t* b, float* out) {
  const uint8_t* ql = b;
  const uint8_t* qh = b + 128;
  const uint8_t* scales = b + 192;
  const float d = LoadF16(b + 208);
  for (int e = 0; e < 256; ++e) {
    const int h = e / 128, g = e % 128 / 32, l = e % 32;
    const uint8_t byte = ql[64 * h + 32 * (g % 2) + l];
    const int q = (g < 2 ? byte & 15 : byte >> 4) | (qh[32 * h + l] >> (2 * g) & 3) << 4;
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[e / 16]));
    out[e] = scale * static_cast<float>(q - 32);
  }
}

void DequantizeBlock(WeightType type, const uint8_t* b, float* out) {
  switch (type) {
    case WeightType::kF32:
      std::memcpy(out, b, 4);
      return;
    case WeightType::kF16:
      *out = LoadF16(b);
      return;
    case WeightType::kBF16: {
      uint16_t bits;
      std::memcpy(&bits, b, 2);
      *out = ToFloat(BFloat16{bits});
      return;
    }
    case WeightType::kQ8_0:
      return Q8_0(b, out);
    case WeightType::kQ4_0:
      return Nibbles<false, false>(b, out);
    case WeightType::kQ4_1:
      return Nibbles<false, true>(b, out);
    case WeightType::kQ5_0:
      return Nibbles<true, false>(b, out);
    case WeightType::kQ5_1:
      return Nibbles<true, true>(b, out);
    case WeightType::kQ4_K:
      return K45<false>(b, out);
    case WeightType::kQ5_K:
      return K45<true>(b, out);
    case WeightType::kQ6_K:
      return Q6_K(b, out);
  }
}

}  // namespace

void UnpackScales6(const uint8_t* s, uint8_t* sc, uint8_t* mn) {
  for (int j = 0; j < 4; ++j) {
    sc[j] = s[j] & 63;
    mn[j] = s[j + 4] & 63;
    sc[j + 4] = static_cast<uint8_t>((s[j + 8] & 15) | (s[j] >> 6) << 4);
    mn[j + 4] = static_cast<uint8_t>(s[j + 8] >> 4 | (s[j + 4] >> 6) << 4);
  }
}

void DequantizeRow(WeightType type, const void* row, int64_t n, float* out) {
  const WeightBlock block = BlockOf(type);
  QUARRY_DCHECK(n % block.values == 0, "a row is a whole number of blocks");
  const auto* p = static_cast<const uint8_t*>(row);
  for (int64_t i = 0; i < n; i += block.values, p += block.bytes) DequantizeBlock(type, p, out + i);
}

}  // namespace quarry
