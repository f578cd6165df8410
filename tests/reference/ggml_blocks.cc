#include "tests/reference/ggml_blocks.h"

#include <cmath>

namespace quarry::reference {
namespace {

// A block as a sequence of bits: bit 0 is the lowest of the first byte.
class Bits {
 public:
  explicit Bits(const std::byte* block) : p_(block) {}
  int At(int first, int count) const {
    int out = 0;
    for (int i = 0; i < count; ++i) {
      const int bit = first + i;
      out |= (std::to_integer<int>(p_[bit / 8]) >> (bit % 8) & 1) << i;
    }
    return out;
  }
  // IEEE half precision at a byte.
  double Half(int byte) const {
    const int bits = At(8 * byte, 16), exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return bits >> 15 != 0 ? -magnitude : magnitude;
  }
  int Signed(int byte) const {
    const int x = At(8 * byte, 8);
    return x < 128 ? x : x - 256;
  }

 private:
  const std::byte* p_;
};

// Position in bits of the nibble of element e of 32, in 16 bytes from `byte` on.
int Nibble32(int byte, int e) { return 8 * (byte + e % 16) + 4 * (e / 16); }

// Nibble e of 256 in Q4_K and Q5_K: 64 elements share 32 bytes.
int Nibble256(int byte, int e) { return 8 * (byte + e / 64 * 32 + e % 32) + e % 64 / 32 * 4; }

// The j-th 6-bit scale (or minimum) of twelve bytes at 4: the first four are whole, those of the
// others are cut in two.
int SixBits(const Bits& b, int j, bool minimum) {
  const int first = 4 + (minimum ? 4 : 0);
  if (j < 4) return b.At(8 * (first + j), 6);
  return b.At(8 * (4 + 8 + j - 4) + (minimum ? 4 : 0), 4) + 16 * b.At(8 * (first + j - 4) + 6, 2);
}

double KQuant(const Bits& b, int e, int code) {
  const int j = e / 32;
  return b.Half(0) * SixBits(b, j, false) * code - b.Half(2) * SixBits(b, j, true);
}

double BlockValue(WeightType type, const Bits& b, int e) {
  switch (type) {
    case WeightType::kQ8_0:
      return b.Half(0) * b.Signed(2 + e);
    case WeightType::kQ4_0:
      return b.Half(0) * (b.At(Nibble32(2, e), 4) - 8);
    case WeightType::kQ4_1:
      return b.Half(0) * b.At(Nibble32(4, e), 4) + b.Half(2);
    case WeightType::kQ5_0:
      return b.Half(0) * (b.At(Nibble32(6, e), 4) + 16 * b.At(16 + e, 1) - 16);
    case WeightType::kQ5_1:
      return b.Half(0) * (b.At(Nibble32(8, e), 4) + 16 * b.At(32 + e, 1)) + b.Half(2);
    case WeightType::kQ4_K:
      return KQuant(b, e, b.At(Nibble256(16, e), 4));
    case WeightType::kQ5_K:
      return KQuant(b, e, b.At(Nibble256(48, e), 4) + 16 * b.At(8 * (16 + e % 32) + e / 32, 1));
    case WeightType::kQ6_K: {
      // Halves of 128: 64 bytes of nibbles, low ones for the first 64 elements; 32 bytes of pairs.
      const int half = e / 128, quarter = e % 128 / 32;
      const int low = b.At(8 * (64 * half + e % 64) + 4 * (quarter / 2), 4);
      const int high = b.At(8 * (128 + 32 * half + e % 32) + 2 * quarter, 2);
      return b.Half(208) * b.Signed(192 + e / 16) * (low + 16 * high - 32);
    }
    case WeightType::kF32: {
      const auto bits = static_cast<uint32_t>(b.At(0, 16)) | static_cast<uint32_t>(b.At(16, 16))
                                                                 << 16;
      return static_cast<double>(__builtin_bit_cast(float, bits));
    }
    case WeightType::kF16:
      return b.Half(0);
    case WeightType::kBF16: {
      const auto bits = static_cast<uint32_t>(b.At(0, 16)) << 16;
      return static_cast<double>(__builtin_bit_cast(float, bits));
    }
  }
  return 0;
}

// Offsets of the f16 fields of a block.
std::vector<int> HalfFields(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
    case WeightType::kQ4_0:
    case WeightType::kQ5_0:
    case WeightType::kF16:
      return {0};
    case WeightType::kQ6_K:
      return {208};
    case WeightType::kF32:
    case WeightType::kBF16:
      return {};
    default:
      return {0, 2};
  }
}

}  // namespace

double QuantizedValue(WeightType type, const std::byte* row, int64_t e) {
  const WeightBlock block = BlockOf(type);
  return BlockValue(type, Bits(row + e / block.values * block.bytes),
                    static_cast<int>(e % block.values));
}

std::vector<std::byte> RandomRow(WeightType type, int64_t n, Rng& rng) {
  std::vector<std::byte> row(static_cast<size_t>(RowBytes(type, n)));
  for (std::byte& b : row) b = static_cast<std::byte>(rng.Next() & 255);
  const auto block = static_cast<size_t>(BlockOf(type).bytes);
  // Divides 1 down to what a code of the type is worth at most.
  const bool k = BlockOf(type).values == 256;
  for (size_t at = 0; at < row.size(); at += block) {
    for (int field : HalfFields(type)) {
      // Exponents for 2^-7 to 2^-6, or with a second scale 2^-12 to 2^-11; either sign.
      const uint64_t exponent = type == WeightType::kF16 ? 15 : k ? 3 : 8;
      const uint64_t bits = (rng.Next() & 0x83ff) | exponent << 10;
      row[at + static_cast<size_t>(field)] = static_cast<std::byte>(bits & 255);
      row[at + static_cast<size_t>(field) + 1] = static_cast<std::byte>(bits >> 8);
    }
    if (type == WeightType::kBF16 || type == WeightType::kF32) {
      row[at + block - 1] = static_cast<std::byte>(0x3f);  // 0.5 to 2
      row[at + block - 2] |= static_cast<std::byte>(0x80);
    }
  }
  return row;
}

}  // namespace quarry::reference
