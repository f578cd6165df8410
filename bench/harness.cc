#include "bench/harness.h"

#include <fstream>

#include <fmt/format.h>

#include "base/aligned_buffer.h"

namespace quarry::bench {

Peaks MeasurePeaks(const kernels::KernelTable& kernels, ThreadPool& pool) {
  Peaks peaks;
  const auto flops = [&](double (*probe)(int64_t)) {
    constexpr int64_t kRounds = 400'000;
    double done = 0;
    const Timing t = Time([&] {
      pool.Run(pool.size(), [&](int64_t i, int) {
        const double n = probe(kRounds);
        if (i == 0) done = n;
      });
    });
    return done * pool.size() / t.min_s;
  };
  peaks.f32_flops = flops(kernels.peak_f32);
  if (kernels.peak_bf16 != nullptr) peaks.bf16_flops = flops(kernels.peak_bf16);

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
      5, 0);
  peaks.read_bytes = static_cast<double>(kBytes) / t.median_s;
  return peaks;
}

Row& Row::Text(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value), true});
  return *this;
}

Row& Row::Number(std::string name, double value, int decimals) {
  fields_.push_back({std::move(name), fmt::format("{:.{}f}", value, decimals), false});
  return *this;
}

void Table::Add(const Row& row) { rows_.push_back(row); }

void Table::Print(std::FILE* json) const {
  if (rows_.empty()) return;
  std::printf("\n### %s\n\n", title_.c_str());
  std::string header = "|", rule = "|";
  for (const auto& f : rows_[0].fields_) {
    header += fmt::format(" {} |", f.name);
    rule += f.quoted ? "---|" : "---:|";
  }
  std::printf("%s\n%s\n", header.c_str(), rule.c_str());
  for (const Row& row : rows_) {
    std::string line = "|";
    for (const auto& f : row.fields_) line += fmt::format(" {} |", f.text);
    std::printf("%s\n", line.c_str());
    if (json == nullptr) continue;
    std::string object = fmt::format("{{\"table\": \"{}\"", title_);
    for (const auto& f : row.fields_) {
      object += f.quoted ? fmt::format(", \"{}\": \"{}\"", f.name, f.text)
                         : fmt::format(", \"{}\": {}", f.name, f.text);
    }
    std::fprintf(json, "%s}\n", object.c_str());
  }
}

std::string CpuName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace quarry::bench
