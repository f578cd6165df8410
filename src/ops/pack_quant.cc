#include "ops/pack_quant.h"

#include <cstring>

#include "tensor/quantize.h"

namespace quarry {
namespace {

using kernels::kGroupInputs;
using kernels::LayoutOf;
using kernels::QuantLayout;

// The codes of one block, its offset not taken off (Q8_0: as an unsigned byte).
void ReadCodes(WeightType type, const uint8_t* b, uint8_t* codes) {
  switch (type) {
    case WeightType::kQ8_0:
      for (int e = 0; e < 32; ++e) codes[e] = static_cast<uint8_t>(b[2 + e] ^ 0x80);
      return;
    case WeightType::kQ4_0:
    case WeightType::kQ4_1:
    case WeightType::kQ5_0:
    case WeightType::kQ5_1: {
      const bool minimum = LayoutOf(type).minimum, five = LayoutOf(type).bits == 5;
      const uint8_t* at = b + (minimum ? 4 : 2);
      uint32_t high = 0;
      if (five) std::memcpy(&high, at, 4);
      const uint8_t* qs = at + (five ? 4 : 0);
      for (int e = 0; e < 16; ++e) {
        codes[e] = static_cast<uint8_t>((qs[e] & 15) | (high >> e & 1) << 4);
        codes[e + 16] = static_cast<uint8_t>(qs[e] >> 4 | (high >> (e + 16) & 1) << 4);
      }
      return;
    }
    case WeightType::kQ4_K:
    case WeightType::kQ5_K: {
      const bool five = type == WeightType::kQ5_K;
      const uint8_t* qh = b + 16;
      const uint8_t* qs = qh + (five ? 32 : 0);
      for (int e = 0; e < 256; ++e) {
        const int j = e / 32, l = e % 32;
        const uint8_t byte = qs[32 * (j / 2) + l];
        const int high = five ? qh[l] >> j & 1 : 0;
        codes[e] = static_cast<uint8_t>((j % 2 == 0 ? byte & 15 : byte >> 4) | high << 4);
      }
      return;
    }
    case WeightType::kQ6_K:
      for (int e = 0; e < 256; ++e) {
        const int h = e / 128, g = e % 128 / 32, l = e % 32;
        const uint8_t byte = b[64 * h + 32 * (g % 2) + l];
        const int high = b[128 + 32 * h + l] >> (2 * g) & 3;
        codes[e] = static_cast<uint8_t>((g < 2 ? byte & 15 : byte >> 4) | high << 4);
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

void WriteCodes(int bits, const uint8_t* codes, int slot, uint8_t* group) {
  for (int e = 0; e < kGroupInputs; ++e) {
    const int chunk = e / 4, lane = 4 * slot + e % 4;
    if (bits == 8) {
      group[64 * chunk + lane] = codes[e];
      continue;
    }
    const int high = codes[e] >> 4;
    if (bits == 5) group[lane] = static_cast<uint8_t>(group[lane] | high << chunk);
    if (bits == 6) {
      uint8_t& byte = group[64 * (chunk / 4) + lane];
      byte = static_cast<uint8_t>(byte | high << 2 * (chunk % 4));
    }
    uint8_t& byte = group[64 * (bits - 4) + 64 * (chunk / 2) + lane];
    byte = static_cast<uint8_t>(byte | (codes[e] & 15) << 4 * (chunk % 2));
  }
}

}  // namespace

void PackQuantRow(WeightType type, const std::byte* row, int64_t k, int slot, std::byte* strip) {
  const QuantLayout layout = LayoutOf(type);
  const WeightBlock block = BlockOf(type);
  const auto* b = reinterpret_cast<const uint8_t*>(row);
  auto* out = reinterpret_cast<uint8_t*>(strip);
  for (int64_t i = 0; i < k; i += block.values, b += block.bytes) {
    uint8_t codes[256];
    ReadCodes(type, b, codes);
    WriteHeader(type, b, slot, out);
    out += layout.header_bytes;
    for (int g = 0; g < layout.super_groups; ++g, out += layout.group_bytes) {
      WriteCodes(layout.bits, codes + kGroupInputs * g, slot, out);
    }
  }
}

}  // namespace quarry
