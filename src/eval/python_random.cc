#include "eval/python_random.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

#include <fmt/format.h>

namespace quarry::eval {

MersenneTwister::MersenneTwister(uint32_t seed) {
  state_[0] = seed;
  for (size_t i = 1; i < kSize; ++i) {
    const uint32_t last = state_[i - 1];
    state_[i] = 1812433253u * (last ^ (last >> 30)) + static_cast<uint32_t>(i);
  }
}

MersenneTwister MersenneTwister::FromKey(std::span<const uint32_t> key) {
  MersenneTwister t(19650218u);
  auto& s = t.state_;
  size_t i = 1, j = 0;
  const auto step = [&](uint32_t factor, uint32_t extra, bool add) {
    const uint32_t mixed = s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * factor);
    s[i] = add ? mixed + extra : mixed - extra;
    if (++i >= kSize) {
      s[0] = s[kSize - 1];
      i = 1;
    }
  };
  for (size_t k = std::max(kSize, key.size()); k > 0; --k) {
    step(1664525u, key[j] + static_cast<uint32_t>(j), true);
    if (++j >= key.size()) j = 0;
  }
  for (size_t k = kSize - 1; k > 0; --k) step(1566083941u, static_cast<uint32_t>(i), false);
  s[0] = 0x80000000u;
  return t;
}

void MersenneTwister::Refill() {
  constexpr size_t kShift = 397;
  for (size_t i = 0; i < kSize; ++i) {
    const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kSize] & 0x7fffffffu);
    state_[i] = state_[(i + kShift) % kSize] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfu : 0u);
  }
  next_ = 0;
}

uint32_t MersenneTwister::Next() {
  if (next_ >= kSize) Refill();
  uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

namespace {

MersenneTwister SeedAsPython(uint64_t seed) {
  const uint32_t key[] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  return MersenneTwister::FromKey(std::span(key, key[1] != 0 ? 2 : 1));
}

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) : twister_(SeedAsPython(seed)) {}

double PythonRandom::Random() {
  const uint32_t a = NextU32() >> 5;
  const uint32_t b = NextU32() >> 6;
  return (a * 67108864.0 + b) / 9007199254740992.0;
}

uint64_t PythonRandom::Bits(int k) {
  if (k <= 32) return NextU32() >> (32 - k);
  const uint64_t low = NextU32();
  const uint64_t high = NextU32() >> (64 - k);
  return high << 32 | low;
}

uint64_t PythonRandom::Below(uint64_t n) {
  const int k = std::bit_width(n);
  for (;;) {
    const uint64_t r = Bits(k);
    if (r < n) return r;
  }
}

int64_t PythonRandom::RandInt(int64_t lo, int64_t hi) {
  return lo + static_cast<int64_t>(Below(static_cast<uint64_t>(hi - lo) + 1));
}

std::string PythonRandom::Uuid() {
  uint64_t low = Bits(64);
  uint64_t high = Bits(64);
  low = (low & ~(uint64_t{3} << 62)) | uint64_t{2} << 62;
  high = (high & ~uint64_t{0xf000}) | 0x4000;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffff);
}

std::vector<int64_t> PythonRandom::Sample(int64_t n, int64_t k) {
  // Python keeps a pool where that is smaller than a set of what was taken.
  int64_t set_size = 21;
  if (k > 5) {
    int64_t power = 1;
    while (power < 3 * k) power *= 4;
    set_size += power;
  }
  std::vector<int64_t> taken;
  taken.reserve(static_cast<size_t>(k));
  if (n <= set_size) {
    std::vector<int64_t> pool(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) pool[static_cast<size_t>(i)] = i;
    for (int64_t i = 0; i < k; ++i) {
      const size_t j = Below(static_cast<uint64_t>(n - i));
      taken.push_back(pool[j]);
      pool[j] = pool[static_cast<size_t>(n - i - 1)];
    }
    return taken;
  }
  std::unordered_set<int64_t> seen;
  while (static_cast<int64_t>(taken.size()) < k) {
    const auto j = static_cast<int64_t>(Below(static_cast<uint64_t>(n)));
    if (seen.insert(j).second) taken.push_back(j);
  }
  return taken;
}

std::string PythonRandom::Choices(std::string_view alphabet, int64_t k) {
  std::string out;
  for (int64_t i = 0; i < k; ++i) {
    out += alphabet[static_cast<size_t>(Random() * static_cast<double>(alphabet.size()))];
  }
  return out;
}

int64_t NumpyRandom::RandInt(int64_t lo, int64_t hi) {
  const auto range = static_cast<uint32_t>(hi - lo - 1);
  if (range == 0) return lo;
  const uint32_t mask = 0xffffffffu >> std::countl_zero(range);
  for (;;) {
    const uint32_t r = twister_.Next() & mask;
    if (r <= range) return lo + r;
  }
}

}  // namespace quarry::eval
