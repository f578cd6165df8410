#include "eval/report.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/markdown.h"
#include "eval/charts.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

constexpr double kEffectiveAverage = 0.856;

std::string Mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string Rate(double per_second) {
  if (per_second <= 0) return "-";
  return per_second >= 100 ? fmt::format("{:.0f}", per_second) : fmt::format("{:.1f}", per_second);
}

std::string Percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

void AddLine(std::string& out, const std::vector<std::string>& cells) {
  out += "|";
  for (const std::string& cell : cells) out += " " + MarkdownCell(cell) + " |";
  out += "\n";
}

void AddTable(std::string& out, const ReportTable& table) {
  const bool coverage = std::any_of(table.rows.begin(), table.rows.end(),
                                    [](const ReportRow& r) { return r.coverage.has_value(); });
  std::vector<std::string> head = {"method", "parameters", "length", "samples"};
  if (table.is_perplexity) {
    head.push_back("perplexity");
  } else {
    head.insert(head.end(), {"accuracy", "95 % interval"});
  }
  head.push_back("density");
  if (coverage) head.push_back("coverage");
  head.insert(head.end(), {"prefill tok/s", "decode tok/s", "context memory", "peak memory"});
  AddLine(out, head);
  std::string rule = "|";
  for (size_t i = 0; i < head.size(); ++i) rule += i < 2 ? " --- |" : " ---: |";
  out += rule + "\n";

  for (const ReportRow& r : table.rows) {
    std::vector<std::string> cells = {r.method, r.parameters, LengthLabel(r.length),
                                      r.expected > r.samples
                                          ? fmt::format("{} of {}", r.samples, r.expected)
                                          : fmt::to_string(r.samples)};
    if (r.samples == 0) {
      cells.push_back(r.no_memory ? "out of memory" : r.too_short ? "too short" : "-");
      cells.resize(head.size(), "-");
      AddLine(out, cells);
      continue;
    }
    if (table.is_perplexity) {
      cells.push_back(fmt::format("{:.3f}", r.score));
    } else {
      cells.push_back(Percent(r.score));
      cells.push_back(fmt::format("{:.1f} - {:.1f}", 100 * r.interval.low, 100 * r.interval.high));
    }
    cells.push_back(Percent(r.density));
    if (coverage) cells.push_back(r.coverage ? Percent(*r.coverage) : "-");
    cells.insert(cells.end(), {Rate(r.prefill_tokens_per_second), Rate(r.decode_tokens_per_second),
                               Mib(r.kv_bytes), Mib(r.peak_rss_bytes)});
    AddLine(out, cells);
  }
}

void AddRulerAverage(std::string& out, const std::vector<ReportTable>& tables) {
  struct Sum {
    double score = 0;
    int64_t tasks = 0;
  };
  // Methods in the order of the tables.
  std::vector<std::pair<std::string, std::map<int64_t, Sum>>> methods;
  int64_t n_tasks = 0;
  for (const ReportTable& table : tables) {
    if (!IsRulerTask(table.task)) continue;
    ++n_tasks;
    for (const ReportRow& row : table.rows) {
      if (row.samples == 0) continue;
      auto it = std::find_if(methods.begin(), methods.end(),
                             [&](const auto& m) { return m.first == row.method; });
      if (it == methods.end()) it = methods.insert(methods.end(), {row.method, {}});
      Sum& sum = it->second[row.length];
      sum.score += row.score;
      ++sum.tasks;
    }
  }
  if (n_tasks < 2) return;
  out += fmt::format("\n## average of {} RULER tasks\n\n", n_tasks);
  std::map<int64_t, bool> lengths;
  for (const auto& [name, sums] : methods) {
    for (const auto& [length, sum] : sums) lengths[length] = true;
  }
  std::vector<std::string> head = {"method"};
  for (const auto& [length, unused] : lengths) head.push_back(LengthLabel(length));
  head.insert(head.end(), {"average", "effective length"});
  AddLine(out, head);
  std::string rule = "| --- |";
  for (size_t i = 1; i < head.size(); ++i) rule += " ---: |";
  out += rule + "\n";
  for (const auto& [name, sums] : methods) {
    std::vector<std::string> cells = {name};
    double all = 0;
    int64_t complete = 0, effective = 0;
    for (const auto& [length, unused] : lengths) {
      const auto it = sums.find(length);
      // An average of some of the tasks would compare with nothing.
      if (it == sums.end() || it->second.tasks < n_tasks) {
        cells.push_back("-");
        continue;
      }
      const double average = it->second.score / static_cast<double>(it->second.tasks);
      cells.push_back(Percent(average));
      all += average;
      ++complete;
      if (average > kEffectiveAverage) effective = length;
    }
    cells.push_back(complete > 0 ? Percent(all / static_cast<double>(complete)) : "-");
    cells.push_back(effective > 0 ? LengthLabel(effective) : "-");
    AddLine(out, cells);
  }
}

}  // namespace

ReportRow SumUp(const std::vector<const Record*>& records, int64_t expected) {
  ReportRow row;
  row.samples = static_cast<int64_t>(records.size());
  row.expected = expected;
  if (records.empty()) return row;
  double score = 0, density = 0, coverage = 0;
  double prompt_tokens = 0, prefill_seconds = 0, steps = 0, decode_seconds = 0;
  int64_t covered = 0;
  for (const Record* r : records) {
    score += r->score;
    density += r->density;
    coverage += r->coverage.value_or(0);
    covered += r->coverage.has_value();
    prompt_tokens += static_cast<double>(r->prompt_tokens);
    prefill_seconds += r->prefill_seconds;
    if (r->new_tokens > 1) {
      // The first token comes out of the prompt's last step.
      steps += static_cast<double>(r->new_tokens - 1);
      decode_seconds += r->decode_seconds;
    }
    row.kv_bytes = std::max(row.kv_bytes, r->kv_bytes);
    row.peak_rss_bytes = std::max(row.peak_rss_bytes, r->peak_rss_bytes);
  }
  const auto n = static_cast<double>(row.samples);
  row.method = records[0]->method;
  row.parameters = records[0]->parameters;
  row.length = records[0]->length;
  row.score = score / n;
  row.interval = WilsonInterval(score, row.samples);
  row.density = density / n;
  if (covered == row.samples) row.coverage = coverage / n;
  row.prefill_tokens_per_second = prefill_seconds > 0 ? prompt_tokens / prefill_seconds : 0;
  row.decode_tokens_per_second = decode_seconds > 0 ? steps / decode_seconds : 0;
  return row;
}

std::string ToMarkdown(const Report& report) {
  std::string out = fmt::format("# {}\n\n", report.title);
  for (const std::string& note : report.notes) out += fmt::format("* {}\n", note);
  for (const ReportTable& table : report.tables) {
    out += fmt::format("\n## {}\n\n", table.task);
    AddTable(out, table);
  }
  AddRulerAverage(out, report.tables);
  return out;
}

}  // namespace quarry::eval
