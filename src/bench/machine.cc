#include "bench/machine.h"

#include <algorithm>
#include <fstream>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/aligned_buffer.h"
#include "bench/timing.h"

namespace quarry::bench {
namespace {

double PeakFlops(ThreadPool& pool, double (*probe)(int64_t)) {
  constexpr int64_t kRounds = 50'000;
  double done = 0;
  const Timing t = Time([&] {
    pool.Run(pool.size(), [&](int64_t i, int) {
      const double n = probe(kRounds);
      if (i == 0) done = n;
    });
  });
  return done * pool.size() / t.min_s;
}

double ReadBandwidth(const kernels::KernelTable& kernels, ThreadPool& pool) {
  constexpr int64_t kBytes = int64_t{1} << 30;  // beyond any cache of one socket
  AlignedBuffer data(kBytes);
  const int64_t slices = kBytes >> 20;
  pool.Run(slices, [&](int64_t i, int) {
    std::fill_n(data.data() + (i << 20), 1 << 20, static_cast<std::byte>(i));
  });
  std::vector<uint64_t> sink(static_cast<size_t>(pool.size()) * 16);
  const Timing t = Time(
      [&] {
        pool.Run(slices, [&](int64_t i, int w) {
          sink[static_cast<size_t>(w) * 16] ^= kernels.read_all(data.data() + (i << 20), 1 << 20);
        });
      },
      0);
  return static_cast<double>(kBytes) / t.median_s;
}

std::string CpuName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name"))
      return line.substr(std::min(line.find(':') + 2, line.size()));
  }
  return "unknown CPU";
}

}  // namespace

Machine MeasureMachine(const kernels::KernelTable& kernels, ThreadPool& pool) {
  Machine m = {CpuName(), std::string(kernels.isa), pool.size(), {}};
  m.peaks.f32_flops = PeakFlops(pool, kernels.peak_f32);
  if (kernels.peak_bf16 != nullptr) m.peaks.bf16_flops = PeakFlops(pool, kernels.peak_bf16);
  m.peaks.read_bytes = ReadBandwidth(kernels, pool);
  return m;
}

int64_t BytesBeyondCaches() {
  const int64_t last_cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return std::clamp(2 * last_cache, int64_t{1} << 28, int64_t{1} << 30);
}

Result<int> ThreadCount(int threads) {
  if (threads < 0 || threads > 1024) {
    return InvalidArgument(fmt::format("threads is {}, must be between 1 and 1024", threads));
  }
  if (threads != 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace quarry::bench
