// The random streams of Python's `random` and of NumPy's legacy generator: MT19937 (Matsumoto and
// Nishimura 1998) with the derived draws bit for bit, so that a seed gives the prompts that the
// benchmarks' own Python generators give.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quarry::eval {

class MersenneTwister {
 public:
  // NumPy's seed(n): the plain initialisation.
  explicit MersenneTwister(uint32_t seed);
  // Python's seed(n): initialisation by the 32-bit limbs of n.
  static MersenneTwister FromKey(std::span<const uint32_t> key);

  uint32_t Next();

 private:
  static constexpr size_t kSize = 624;
  void Refill();

  std::array<uint32_t, kSize> state_;
  size_t next_ = kSize;
};

// random.Random(seed). Not copied by accident: a copy continues the same stream.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);

  uint32_t NextU32() { return twister_.Next(); }
  // random(): [0, 1), 53 bits.
  double Random();
  // getrandbits(k). REQUIRES: 1 <= k <= 64.
  uint64_t Bits(int k);
  // Uniform in [0, n). REQUIRES: n >= 1.
  uint64_t Below(uint64_t n);
  // randint(lo, hi), both included.
  int64_t RandInt(int64_t lo, int64_t hi);
  // uuid4 of getrandbits(128): "bdd640fb-0667-4ad1-9c80-317fa3b1799d".
  std::string Uuid();
  // sample(range(n), k). REQUIRES: 0 <= k <= n.
  std::vector<int64_t> Sample(int64_t n, int64_t k);
  // "".join(choices(alphabet, k))
  std::string Choices(std::string_view alphabet, int64_t k);

  template <typename T>
  const T& Choice(const std::vector<T>& from) {
    return from[Below(from.size())];
  }
  template <typename T>
  void Shuffle(std::vector<T>& x) {
    for (size_t i = x.size(); i-- > 1;) std::swap(x[i], x[Below(i + 1)]);
  }

 private:
  MersenneTwister twister_;
};

// numpy.random.seed(seed); numpy.random.randint(lo, hi), hi excluded.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : twister_(seed) {}
  // REQUIRES: lo < hi, less than 2^32 apart.
  int64_t RandInt(int64_t lo, int64_t hi);

 private:
  MersenneTwister twister_;
};

}  // namespace quarry::eval
