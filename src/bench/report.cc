#include "bench/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "quarry/version.h"

#include "base/file.h"

namespace quarry::bench {

std::string Markdown(const BenchReport& r) {
  const Peaks& p = r.machine.peaks;
  std::string out = fmt::format("quarry {}, {}, {} kernels, {} threads  \n", Version(),
                                r.machine.cpu, r.machine.isa, r.machine.threads);
  out += fmt::format(
      "Peaks measured now: f32 {:.0f} GFLOP/s, {}read {:.1f} GB/s\n", p.f32_flops / 1e9,
      p.bf16_flops > 0 ? fmt::format("bf16 {:.0f} GFLOP/s, ", p.bf16_flops / 1e9) : std::string(),
      p.read_bytes / 1e9);
  if (!r.notes.empty()) out += "\n";
  for (const std::string& note : r.notes) out += fmt::format("- {}\n", note);
  for (const Table& table : r.tables) out += table.Markdown();
  return out;
}

std::string JsonLines(const BenchReport& r) {
  const nlohmann::ordered_json machine = {
      {"table", "machine"},
      {"quarry", Version()},
      {"cpu", r.machine.cpu},
      {"isa", r.machine.isa},
      {"threads", r.machine.threads},
      {"peak_f32_flops", r.machine.peaks.f32_flops},
      {"peak_bf16_flops", r.machine.peaks.bf16_flops > 0
                              ? nlohmann::ordered_json(r.machine.peaks.bf16_flops)
                              : nullptr},
      {"peak_read_bytes", r.machine.peaks.read_bytes},
      {"notes", r.notes}};
  std::string out = machine.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (r.records) return out + r.records->JsonLines();
  for (const Table& table : r.tables) out += table.JsonLines();
  return out;
}

Status WriteJson(const std::filesystem::path& path, const BenchReport& report) {
  return WriteFileAtomically(path, JsonLines(report));
}

Status WriteSvg(const std::filesystem::path& path, const BenchReport& report) {
  return WriteFileAtomically(path, eval::DrawLines(report.charts));
}

}  // namespace quarry::bench
