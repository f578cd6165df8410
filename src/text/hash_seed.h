// Random numbers for hash tables over what a file holds: nobody can choose keys that share a slot.
// No result depends on them.
#pragma once

#include <cstdint>

namespace quarry::text {

__extension__ using Uint128 = unsigned __int128;

// The 128 bits of a product, folded. Zero if a factor is: at least one should be secret.
inline uint64_t FoldedProduct(uint64_t a, uint64_t b) {
  const auto product = static_cast<Uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

struct HashSeed {
  uint64_t start = 0;
  uint64_t factor = 1;  // odd

  static HashSeed Random();
  uint64_t Hash(uint64_t key) const { return FoldedProduct(key ^ start, factor); }
};

}  // namespace quarry::text
