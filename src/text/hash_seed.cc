#include "text/hash_seed.h"

#include <random>

namespace quarry::text {

HashSeed HashSeed::Random() {
  std::random_device device;
  const auto draw = [&] { return uint64_t{device()} << 32 | device(); };
  return {draw(), draw() | 1};
}

}  // namespace quarry::text
