#include "ops/pack_quant.h"

#include <cstring>

#include "base/check.h"
#include "tensor/quantize.h"

namespace quarry {
namespace {

using kernels::kGroupInputs;
using kernels::LayoutOf;
using kernels::QuantLayout;

// n low halves of bytes, then their n high halves.
void ReadNibbles(const uint8_t* bytes, int n, uint8_t* codes) {
  for (int i = 0; i < n; ++i) {
    codes[i] = bytes[i] & 15;
    codes[n + i] = bytes[i] >> 4;
  }
}

// The codes of one block, its offset not taken off (Q8_0: as an unsigned byte).
void ReadCodes(WeightType type, const uint8_t* b, uint8_t* codes) {
  switch (type) {
    case WeightType::kQ8_0:
      for (int e = 0; e < 32; ++e) codes[e] = static_cast<uint8_t>(b[2 + e] ^ 0x80);
      return;
    case WeightType::kQ4_0:
    case WeightType::kQ4_1:
      return ReadNibbles(b + (type == WeightType::kQ4_1 ? 4 : 2), 16, codes);
    case WeightType::kQ5_0:
    case WeightType::kQ5_1: {
      const uint8_t* at = b + (type == WeightType::kQ5_1 ? 4 : 2);
      uint32_t high;
      std::memcpy(&high, at, 4);
      ReadNibbles(at + 4, 16, codes);
      for (int e = 0; e < 32; e += 4) {
        uint32_t four;
        std::memcpy(&four, codes + e, 4);
        // Four bits to the lowest bit of a byte each.
        four |= ((high >> e & 15) * 0x00204081u & 0x01010101u) << 4;
        std::memcpy(codes + e, &four, 4);
      }
      return;
    }
    case WeightType::kQ4_K:
      for (int j = 0; j < 8; j += 2) ReadNibbles(b + 16 + 16 * j, 32, codes + 32 * j);
      return;
    case WeightType::kQ5_K: {
      const uint8_t* high = b + 16;
      for (int j = 0; j < 8; j += 2) ReadNibbles(b + 48 + 16 * j, 32, codes + 32 * j);
      for (int j = 0; j < 8; ++j) {
        for (int l = 0; l < 32; ++l) {
          codes[32 * j + l] |= static_cast<uint8_t>((high[l] >> j & 1) << 4);
        }
      }
      return;
    }
    case WeightType::kQ6_K:
      for (int half = 0; half < 2; ++half, b += 64, codes += 128) {
        const uint8_t* high = b + 128 - 32 * half;
        ReadNibbles(b, 64, codes);
        for (int g = 0; g < 4; ++g) {
          for (int l = 0; l < 32; ++l) {
            codes[32 * g + l] |= static_cast<uint8_t>((high[l] >> 2 * g & 3) << 4);
          }
        }
      }
      return;
    default:
      return;
  }
}

void WriteHeader(WeightType type, const uint8_t* b, int slot, uint8_t* header) {
  const auto f16 = [&](int place, const uint8_t* from) {
    std::memcpy(header + 32 * place + 2 * slot, from, 2);
  };
  if (type == WeightType::kQ6_K) {
    f16(0, b + 208);
    for (int i = 0; i < 16; ++i) header[32 + 16 * i + slot] = b[192 + i];
    return;
  }
  f16(0, b);
  if (LayoutOf(type).minimum) f16(1, b + 2);
  if (LayoutOf(type).super_groups == 1) return;
  uint8_t sc[8], mn[8];
  UnpackScales6(b + 4, sc, mn);
  for (int j = 0; j < 8; ++j) {
    header[64 + 16 * j + slot] = static_cast<uint8_t>((sc[j] & 15) | (mn[j] & 15) << 4);
    uint8_t& high = header[192 + 16 * (j % 4) + slot];
    high = static_cast<uint8_t>(high | (sc[j] >> 4 | mn[j] >> 4 << 2) << 4 * (j / 4));
  }
}

// Four codes at a time, a byte each: no bit leaves its byte.
template <int kBits>
void WriteCodes(const uint8_t* codes, int slot, uint8_t* group) {
  constexpr int kChunks = kGroupInputs / 4;
  uint32_t chunks[kChunks];
  std::memcpy(chunks, codes, sizeof(chunks));
  uint8_t* out = group + 4 * slot;
  const auto write = [&](uint32_t word) {
    std::memcpy(out, &word, 4);
    out += 64;
  };
  if constexpr (kBits == 8) {
    for (uint32_t chunk : chunks) write(chunk);
    return;
  }
  if constexpr (kBits > 4) {
    constexpr int kHighBits = kBits - 4, kChunksPerWord = 8 / kHighBits;
    constexpr uint32_t kMask = 0x01010101u * ((1u << kHighBits) - 1);
    for (int c = 0; c < kChunks; c += kChunksPerWord) {
      uint32_t high = 0;
      for (int i = 0; i < kChunksPerWord; ++i) {
        high |= (chunks[c + i] >> 4 & kMask) << kHighBits * i;
      }
      write(high);
    }
  }
  for (int c = 0; c < kChunks; c += 2) {
    write((chunks[c] & 0x0f0f0f0fu) | (chunks[c + 1] & 0x0f0f0f0fu) << 4);
  }
}

template <int kBits>
void PackRow(WeightType type, const uint8_t* b, int64_t k, int slot, uint8_t* out) {
  const QuantLayout layout = LayoutOf(type);
  const WeightBlock block = BlockOf(type);
  for (int64_t i = 0; i < k; i += block.values, b += block.bytes) {
    uint8_t codes[256];
    ReadCodes(type, b, codes);
    WriteHeader(type, b, slot, out);
    out += layout.header_bytes;
    for (int g = 0; g < layout.super_groups; ++g, out += layout.group_bytes) {
      WriteCodes<kBits>(codes + kGroupInputs * g, slot, out);
    }
  }
}

}  // namespace

void PackQuantRow(WeightType type, const std::byte* row, int64_t k, int slot, std::byte* strip) {
  const auto* from = reinterpret_cast<const uint8_t*>(row);
  auto* to = reinterpret_cast<uint8_t*>(strip);
  switch (LayoutOf(type).bits) {
    case 4:
      return PackRow<4>(type, from, k, slot, to);
    case 5:
      return PackRow<5>(type, from, k, slot, to);
    case 6:
      return PackRow<6>(type, from, k, slot, to);
    case 8:
      return PackRow<8>(type, from, k, slot, to);
    default:
      QUARRY_CHECK(false, "not a quantised type");
  }
}

}  // namespace quarry
