#include "cli/search_command.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "quarry/pattern_search.h"

#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/model_options.h"
#include "cli/numbers.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace quarry::cli {
namespace {

struct SearchOptions {
  std::string model, output;
  int64_t tokens = 0;
  std::string objective = "recall";
  bool keep_patterns = false;
  uint64_t seed = 0;
  int threads = 0;
};

// "vertical_and_slash (30, 800)   17 heads", most frequent first.
std::string Summary(const PatternTable& table) {
  std::map<std::tuple<std::string_view, int64_t, int64_t>, int> count;
  for (const auto& layer : table.layers) {
    for (const auto& [head, p] : layer) {
      ++count[{HeadPatternTypeName(p.type), p.first, p.second}];
    }
  }
  std::multimap<int, std::string, std::greater<>> lines;
  for (const auto& [pattern, heads] : count) {
    const auto& [type, first, second] = pattern;
    lines.emplace(heads, fmt::format("{} ({}, {})", type, first, second));
  }
  std::string text;
  for (const auto& [heads, pattern] : lines) text += fmt::format("{:6}  {}\n", heads, pattern);
  return text;
}

int Search(const SearchOptions& o) {
  SignalWatcher signals;
  PatternSearchOptions search;
  search.model = o.model;
  search.output = o.output;
  search.tokens = o.tokens;
  search.keep_patterns = o.keep_patterns;
  search.seed = o.seed;
  search.threads = o.threads;
  search.log = StandardErrorLog();
  if (o.objective == "output") {
    search.objective = SearchObjective::kOutput;
  } else if (o.objective != "recall") {
    return Fail(
        InvalidArgument(fmt::format("--objective is {}, must be recall or output", o.objective)));
  }
  ProgressLine progress;
  search.on_progress = [&](const PatternSearchProgress& p) {
    progress.Update("searching", p.layers_done, p.layers, "layers", p.seconds);
  };
  std::atomic<bool> cancel = false;
  search.cancel = &cancel;
  signals.OnSignal([&] { cancel = true; });
  const Result<PatternTable> table = SearchPatterns(search);
  signals.OnSignal({});
  progress.Clear();
  if (!table.ok()) return Fail(table.status());
  Output out;
  out.Write(fmt::format("{}: {} layers of {} heads\n{}", o.output, table->layers.size(),
                        table->heads(), Summary(*table)));
  return out.status().ok() ? kExitOk : Fail(out.status());
}

}  // namespace

void AddSearchCommand(CLI::App& app, int* exit_code) {
  CLI::App* c = app.add_subcommand("search", "find a sparse pattern for every head of a model");
  auto o = std::make_shared<SearchOptions>();
  c->add_option("-m,--model", o->model, "model folder")->required();
  c->add_option(
       "-o,--output", o->output,
       "file to write; if it holds the first layers already, the search goes on behind them")
      ->required();
  c->add_option("--tokens", o->tokens,
                "length of the prompt (default 29920, or what the model was trained for)")
      ->check(WholeNumber());
  c->add_option("--objective", o->objective,
                "recall: attention under the pattern; output: elements of the output that are off")
      ->capture_default_str();
  c->add_flag("--keep-patterns", o->keep_patterns,
              "write winners as they are, not all as vertical-slash (recall)");
  c->add_option("--seed", o->seed, "of the generated prompt")
      ->check(SeedNumber())
      ->capture_default_str();
  c->add_option("-t,--threads", o->threads, "threads (default: all cores)");
  c->footer(R"(Example:
  quarry search -m /models/llama-3-8b -o llama-3-8b.patterns.json
  quarry run -m /models/llama-3-8b --method minference \
             --set pattern_file=llama-3-8b.patterns.json -f prompt.txt

The prompt is generated; the model reads it once, with dense attention. The file is written after
every layer: a search that was stopped goes on where it ended.)");
  c->callback([o, exit_code] { *exit_code = Search(*o); });
}

}  // namespace quarry::cli
