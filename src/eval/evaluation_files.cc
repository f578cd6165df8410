#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "eval/charts.h"
#include "eval/evaluation.h"
#include "eval/json.h"
#include "eval/method_parameters.h"
#include "eval/metrics.h"
#include "eval/perplexity.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

std::string ModelName(const std::string& folder) {
  std::filesystem::path path(folder);
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

// A label as a part of a file's name.
std::string FileName(std::string label) {
  for (char& c : label) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_';
    if (!plain) c = '_';
  }
  return label;
}

}  // namespace

std::filesystem::path Evaluation::LossFile(size_t method, int64_t length, uint64_t seed,
                                           int64_t index) const {
  return options_.out / fmt::format("nll-{}-{}-{}-{}.txt", FileName(options_.methods[method].label),
                                    length, seed, index);
}

std::vector<const Record*> Evaluation::Results(const EvalTask& task, size_t method,
                                               int64_t length) const {
  std::vector<const Record*> all;
  for (uint64_t seed : options_.seeds) {
    for (const Record* r : journal_.FindAll(settings(task, method), length, seed)) {
      if (r->index < ExpectedSamples(task)) all.push_back(r);
    }
  }
  return all;
}

Report Evaluation::MakeReport() const {
  Report report;
  const EngineOptions& engine = options_.methods[0].engine;
  report.title = fmt::format("Evaluation of {}", ModelName(engine.model));
  report.notes.push_back(fmt::format("model: {} parameters, trained for {} tokens",
                                     model_.parameters, model_.native_context));
  const auto any = [&](auto holds) {
    return std::any_of(options_.tasks.begin(), options_.tasks.end(),
                       [&](const EvalTask* task) { return holds(*task); });
  };
  if (any([](const EvalTask& task) { return !task.is_perplexity(); })) {
    report.notes.push_back(
        fmt::format("wording: {}{}{}", WordingName(context_.wording),
                    context_.chat_prompts ? ", as chat messages" : "",
                    any([](const EvalTask& task) { return task.uses_haystack(); })
                        ? fmt::format("; haystack: {}", haystack_->name())
                        : ""));
    report.notes.push_back(
        fmt::format("{} samples per length and seed{}; seeds {}", options_.samples,
                    any([&](const EvalTask& task) { return !task.grid_depths(context_).empty(); })
                        ? ", of a grid per depth too"
                        : "",
                    fmt::join(options_.seeds, ", ")));
  }
  if (any([](const EvalTask& task) { return task.is_perplexity(); })) {
    report.notes.push_back(fmt::format(
        "perplexity: of {}, as many texts or stretches as it has, at most {} per length",
        options_.text_file.empty() ? haystack_->name()
                                   : std::filesystem::path(options_.text_file).filename().string(),
        options_.samples));
  }
  if (any([](const EvalTask& task) { return IsRulerTask(task.name()); })) {
    report.notes.push_back(fmt::format("RULER's word lists: {}",
                                       own_words_ ? "Quarry's own instead" : "those of --data"));
  }
  for (const EvalTask* task : options_.tasks) {
    const std::string note = task->data_note(context_);
    if (!note.empty()) report.notes.push_back(note);
  }
  if (options_.jobs > 1) {
    report.notes.push_back(
        fmt::format("{} samples ran at once: tokens/s are those of one of them beside the others, "
                    "memory that of all",
                    options_.jobs));
  }
  for (const EvalTask* task : options_.tasks) {
    ReportTable table;
    table.task = task->name();
    table.is_perplexity = task->is_perplexity();
    for (size_t m = 0; m < options_.methods.size(); ++m) {
      for (int64_t length : options_.lengths) {
        const int64_t expected =
            ExpectedSamples(*task) * static_cast<int64_t>(options_.seeds.size());
        // A text has as many stretches as it has.
        ReportRow row = SumUp(Results(*task, m, length), task->is_perplexity() ? 0 : expected);
        row.method = options_.methods[m].label;
        row.parameters = DescribeParameters(options_.methods[m].engine.attention);
        row.length = length;
        row.no_memory = no_memory_.contains({task, m, length});
        row.too_short = too_short_.contains({task, length});
        table.rows.push_back(std::move(row));
      }
    }
    report.tables.push_back(std::move(table));
  }
  return report;
}

Status Evaluation::WriteNeedleFiles(const EvalTask& task,
                                    std::vector<std::filesystem::path>& files) const {
  const std::vector<int64_t> depths = task.grid_depths(context_);
  for (size_t m = 0; m < options_.methods.size(); ++m) {
    const std::string& label = options_.methods[m].label;
    Heatmap map;
    map.title = fmt::format("Needle in a haystack: {} with {}, up to {} tokens",
                            ModelName(options_.methods[m].engine.model), label,
                            LengthLabel(options_.lengths.back()));
    map.lengths = options_.lengths;
    map.depths = depths;
    map.cells.assign(depths.size(), std::vector<std::optional<double>>(options_.lengths.size()));
    nlohmann::ordered_json results = nlohmann::ordered_json::array();
    for (size_t l = 0; l < options_.lengths.size(); ++l) {
      std::map<int64_t, std::pair<double, int64_t>> sums;  // by depth
      for (const Record* r : Results(task, m, options_.lengths[l])) {
        const auto depth = static_cast<int64_t>(r->depth.value_or(0));
        sums[depth].first += r->score;
        ++sums[depth].second;
        results.push_back({{"context_length", r->length},
                           {"depth_percent", depth},
                           {"response", r->answer},
                           {"answer", r->expected.empty() ? "" : r->expected[0]},
                           {"correct", r->score > 0.5},
                           {"seed", r->index / static_cast<int64_t>(depths.size())}});
      }
      for (size_t d = 0; d < depths.size(); ++d) {
        const auto it = sums.find(depths[d]);
        if (it != sums.end()) {
          map.cells[d][l] = it->second.first / static_cast<double>(it->second.second);
        }
      }
    }
    if (results.empty()) continue;
    const std::string stem = fmt::format("{}-{}", task.name(), FileName(label));
    for (const auto& [extension, text] :
         {std::pair<const char*, std::string>{".svg", DrawHeatmap(map)},
          {".json",
           results.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"}}) {
      files.push_back(options_.out / (stem + extension));
      if (const Status s = WriteFileAtomically(files.back(), text); !s.ok()) return s;
    }
  }
  return OkStatus();
}

Status Evaluation::WritePerplexityFiles(const EvalTask& task,
                                        std::vector<std::filesystem::path>& files) const {
  LineChart chart;
  chart.title = fmt::format("Perplexity of {}", ModelName(options_.methods[0].engine.model));
  chart.x_label = "context length in tokens";
  chart.y_label = "perplexity";
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (size_t m = 0; m < options_.methods.size(); ++m) {
    LineChart::Line line = {options_.methods[m].label, {}};
    for (int64_t length : options_.lengths) {
      const ReportRow row = SumUp(Results(task, m, length), 0);
      if (row.samples == 0) continue;
      line.points.emplace_back(static_cast<double>(length), row.score);
      all[line.name][LengthLabel(length)] = JsonNumber(row.score);
    }
    chart.lines.push_back(std::move(line));
  }
  std::vector<std::pair<const char*, std::string>> contents = {
      {"perplexity.svg", DrawLines(chart)}, {"perplexity.json", all.dump(1) + "\n"}};
  if (options_.one_by_one) {
    // The first sample of the greatest length, as it goes on.
    LineChart running;
    running.title = chart.title + ", token by token";
    running.x_label = "tokens read";
    running.y_label = "perplexity so far";
    for (size_t m = 0; m < options_.methods.size(); ++m) {
      const Result<std::string> losses = ReadFile(
          LossFile(m, options_.lengths.back(), options_.seeds.front(), 0), uint64_t{1} << 32);
      if (!losses.ok()) continue;  // not there yet
      std::vector<double> values;
      for (const std::string& word : Words(*losses)) {
        double value = 0;
        std::from_chars(word.data(), word.data() + word.size(), value);
        values.push_back(value);
      }
      running.lines.push_back({options_.methods[m].label, RunningPerplexity(values, 400)});
    }
    contents.emplace_back("perplexity-running.svg", DrawLines(running));
  }
  for (const auto& [name, text] : contents) {
    files.push_back(options_.out / name);
    if (const Status s = WriteFileAtomically(files.back(), text); !s.ok()) return s;
  }
  return OkStatus();
}

Result<std::vector<std::filesystem::path>> Evaluation::WriteFiles() const {
  std::vector<std::filesystem::path> files = {options_.out / "report.md"};
  if (const Status s = WriteFileAtomically(files[0], ToMarkdown(MakeReport())); !s.ok()) return s;
  for (const EvalTask* task : options_.tasks) {
    Status status;
    if (!task->grid_depths(context_).empty()) status = WriteNeedleFiles(*task, files);
    if (task->is_perplexity()) status = WritePerplexityFiles(*task, files);
    if (!status.ok()) return status;
  }
  return files;
}

}  // namespace quarry::eval
