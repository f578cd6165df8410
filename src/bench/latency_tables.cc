#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "bench/latency_bench.h"

namespace quarry::bench {
namespace {

using Outcome = LatencyCell::Outcome;

const LatencyCell* Find(const std::vector<LatencyCell>& cells, const std::string& method,
                        int64_t length) {
  const auto it = std::ranges::find_if(
      cells, [&](const LatencyCell& c) { return c.method == method && c.length == length; });
  return it == cells.end() ? nullptr : &*it;
}

// As many digits as a time deserves.
std::string Digits(double x) {
  return fmt::format("{:.{}f}", x, x >= 100 ? 0 : x >= 10 ? 1 : x >= 1 ? 2 : 3);
}

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMeasured:
      return "measured";
    case Outcome::kTooSlow:
      return "too slow";
    case Outcome::kNoMemory:
      return "out of memory";
  }
  return "?";
}

Row RecordOf(const LatencyCell& c) {
  Row row;
  row.Text("method", c.method).Number("length", static_cast<double>(c.length), 0);
  row.Text("outcome", std::string(OutcomeName(c.outcome))).Number("runs", c.runs, 0);
  if (c.outcome != Outcome::kMeasured) return row;
  const auto tokens = static_cast<double>(c.length);
  return row.Number("prefill_seconds", c.prefill_s, 6)
      .Number("prefill_tokens_per_second", tokens / c.prefill_s, 1)
      .Number("prefill_share_of_f32_peak", c.prefill_peak_share, 4)
      .Number("decode_ms_per_token", c.decode_ms, 4)
      .Number("peak_rss_bytes", static_cast<double>(c.peak_rss_bytes), 0)
      .Number("kv_bytes", static_cast<double>(c.kv_bytes), 0)
      .Number("density", c.density, 6);
}

}  // namespace

void AddLatencyTables(const std::vector<LatencyCell>& cells,
                      const std::vector<std::string>& methods, const std::vector<int64_t>& lengths,
                      double max_seconds, BenchReport& report) {
  // `text` of a measured cell; `stopped` of one that was not.
  const auto add = [&](const std::string& title,
                       const std::function<std::string(const LatencyCell&)>& text,
                       const std::string& too_slow) {
    Table table(title);
    for (int64_t length : lengths) {
      Row row;
      row.Text("tokens", eval::LengthLabel(length));
      bool any = false;
      for (const std::string& method : methods) {
        const LatencyCell* cell = Find(cells, method, length);
        any = any || cell != nullptr;
        row.Cell(method, cell == nullptr                       ? "-"
                         : cell->outcome == Outcome::kTooSlow  ? too_slow
                         : cell->outcome == Outcome::kNoMemory ? "no memory"
                                                               : text(*cell));
      }
      if (any) table.Add(std::move(row));
    }
    report.tables.push_back(std::move(table));
  };
  add(
      "prefill, seconds", [](const LatencyCell& c) { return Digits(c.prefill_s); },
      fmt::format("> {:g}", max_seconds));
  add(
      "decode, milliseconds a token", [](const LatencyCell& c) { return Digits(c.decode_ms); },
      "-");
  if (std::ranges::find(methods, "dense") != methods.end()) {
    add(
        "prefill, speed-up over dense",
        [&](const LatencyCell& c) {
          const LatencyCell* dense = Find(cells, "dense", c.length);
          const bool known = dense != nullptr && dense->outcome == Outcome::kMeasured;
          return known ? fmt::format("{:.2f}", dense->prefill_s / c.prefill_s) : std::string("-");
        },
        "-");
  }
  add(
      "peak memory, MiB",
      [](const LatencyCell& c) {
        return fmt::format("{:.0f}", static_cast<double>(c.peak_rss_bytes) / (1 << 20));
      },
      "-");
  add(
      "density, %", [](const LatencyCell& c) { return fmt::format("{:.2f}", 100 * c.density); },
      "-");
  add(
      "prefill, % of the f32 peak",
      [](const LatencyCell& c) { return fmt::format("{:.0f}", 100 * c.prefill_peak_share); }, "-");

  report.records.emplace("latency");
  for (const LatencyCell& c : cells) report.records->Add(RecordOf(c));

  eval::LineChart prefill = {.title = "prefill",
                             .x_label = "prompt length in tokens",
                             .y_label = "seconds",
                             .lines = {},
                             .log_x = true,
                             .log_y = true};
  eval::LineChart decode = prefill;
  decode.title = "decode";
  decode.y_label = "milliseconds a token";
  for (const std::string& method : methods) {
    eval::LineChart::Line prefills = {method, {}}, decodes = {method, {}};
    for (int64_t length : lengths) {
      const LatencyCell* cell = Find(cells, method, length);
      if (cell == nullptr || cell->outcome != Outcome::kMeasured) continue;
      prefills.points.emplace_back(static_cast<double>(length), cell->prefill_s);
      decodes.points.emplace_back(static_cast<double>(length), cell->decode_ms);
    }
    prefill.lines.push_back(std::move(prefills));
    decode.lines.push_back(std::move(decodes));
  }
  report.charts = {std::move(prefill), std::move(decode)};
}

}  // namespace quarry::bench
