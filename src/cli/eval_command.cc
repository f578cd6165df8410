#include "cli/eval_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli/data_roots.h"
#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/lists.h"
#include "cli/model_options.h"
#include "cli/named_methods.h"
#include "cli/numbers.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "eval/evaluation.h"
#include "eval/json.h"

namespace quarry::cli {
namespace {

struct EvalCommandOptions {
  ModelOptions model;  // what all methods share
  std::vector<std::string> tasks, methods, configs, lengths, seeds, depths;
  int64_t samples = 10;
  int jobs = 1;
  std::string wording = "auto";
  bool chat = false;
  bool coverage = false;
  std::string file;
  std::string mode = "prefill";
  std::string decode_tail;
  std::string haystack, data;
  std::string out = "quarry-eval";
  bool json = false;
  bool list = false;
};

Result<std::vector<eval::MethodRun>> MethodRuns(const EvalCommandOptions& o, const LogSink& log) {
  Result<std::vector<NamedMethod>> named = NameMethods(o.model, o.methods, o.configs);
  if (!named.ok()) return named.status();
  std::vector<eval::MethodRun> runs;
  for (NamedMethod& m : *named) {
    Result<ModelSetup> setup = Resolve(m.options, log);
    if (!setup.ok()) return setup.status();
    NoteUnusedLengths(setup->run, m.label, log);
    for (const std::string& layers : o.model.layers) m.overrides += "\n--layers " + layers;
    EngineOptions& engine = setup->engine;
    if (engine.tokenizer.empty()) engine.tokenizer = engine.model;
    runs.push_back({m.label, m.overrides, std::move(engine)});
  }
  return runs;
}

Result<eval::EvalOptions> MakeOptions(const EvalCommandOptions& o, const LogSink& log) {
  std::error_code error;
  if (!o.data.empty() && !std::filesystem::is_directory(o.data, error)) {
    return NotFound(fmt::format("--data is {}, which is no folder", o.data));
  }
  eval::EvalOptions e;
  for (const std::string& name : SplitCommas(o.tasks)) {
    const Result<std::vector<const eval::EvalTask*>> tasks = eval::FindTasks(name);
    if (!tasks.ok()) return tasks.status();
    std::vector<std::string> missing;
    for (const eval::EvalTask* task : *tasks) {
      // Of a group, what can be made.
      if (const std::string file = task->missing_file(o.data); !file.empty() && tasks->size() > 1) {
        missing.push_back(file);
        continue;
      }
      if (std::find(e.tasks.begin(), e.tasks.end(), task) == e.tasks.end()) {
        e.tasks.push_back(task);
      }
    }
    if (!missing.empty()) {
      log(LogLevel::kWarning,
          fmt::format("{}: {} of {} tasks are left out, which need files in --data FOLDER: {}",
                      name, missing.size(), tasks->size(), fmt::join(missing, ", ")));
    }
  }
  if (e.tasks.empty()) {
    return InvalidArgument("no task: name one or more; quarry eval --list shows them");
  }
  Result<std::vector<eval::MethodRun>> methods = MethodRuns(o, log);
  if (!methods.ok()) return methods.status();
  e.methods = std::move(*methods);

  Result<std::vector<int64_t>> lengths = ParseSizes("--lengths", o.lengths);
  if (!lengths.ok()) return lengths.status();
  e.lengths = std::move(*lengths);
  if (e.lengths.empty()) {
    const Result<ModelInfo> info = InspectModel(e.methods[0].engine.model);
    if (!info.ok()) return info.status();
    e.lengths = {info->native_context};
  }
  if (!o.seeds.empty()) {
    const Result<std::vector<int64_t>> seeds = ParseSizes("--seeds", o.seeds);
    if (!seeds.ok()) return seeds.status();
    e.seeds.assign(seeds->begin(), seeds->end());
  }
  if (!o.depths.empty()) {
    Result<std::vector<int64_t>> depths = ParseSizes("--depths", o.depths);
    if (!depths.ok()) return depths.status();
    e.depths = std::move(*depths);
  }
  if (!o.decode_tail.empty()) {
    const Result<int64_t> tail = ParseSize("--decode-tail", o.decode_tail);
    if (!tail.ok()) return tail.status();
    e.decode_tail_bytes = *tail;
  }
  e.samples = o.samples;
  e.jobs = o.jobs;
  if (o.wording == "simple") e.wording = eval::Wording::kSimple;
  if (o.wording == "original") e.wording = eval::Wording::kOriginal;
  e.chat_prompts = o.chat;
  e.measure_coverage = o.coverage;
  e.text_file = o.file;
  e.one_by_one = o.mode == "decode";
  e.haystack = o.haystack;
  e.roots = DataRoots(e.methods[0].engine.model);
  e.data = o.data;
  e.out = o.out;
  e.log = log;
  return e;
}

void PrintTasks(Output& out) {
  out.Write("tasks\n");
  for (const eval::EvalTask* task : eval::AllTasks()) {
    out.Write(fmt::format("  {:<34} {}\n", task->name(), task->summary()));
  }
  out.Write(fmt::format("groups of them: {}\n", fmt::join(eval::GroupNames(), ", ")));
}

void PrintJson(const eval::Report& report, Output& out) {
  for (const eval::ReportTable& table : report.tables) {
    for (const eval::ReportRow& r : table.rows) {
      nlohmann::ordered_json j = {{"task", table.task},
                                  {"method", r.method},
                                  {"parameters", r.parameters},
                                  {"length", r.length},
                                  {"samples", r.samples}};
      if (r.samples > 0) {
        j[table.is_perplexity ? "perplexity" : "accuracy"] = eval::JsonNumber(r.score);
        if (!table.is_perplexity) j["interval"] = {r.interval.low, r.interval.high};
        j["density"] = r.density;
        if (r.coverage) j["coverage"] = *r.coverage;
        j["prefill_tokens_per_second"] = r.prefill_tokens_per_second;
        j["decode_tokens_per_second"] = r.decode_tokens_per_second;
        j["kv_bytes"] = r.kv_bytes;
        j["peak_rss_bytes"] = r.peak_rss_bytes;
      }
      if (r.no_memory) j["out_of_memory"] = true;
      if (r.too_short) j["too_short"] = true;
      out.Write(j.dump() + "\n");
    }
  }
}

int Eval(const EvalCommandOptions& o) {
  Output out;
  if (o.list) {
    PrintTasks(out);
    return out.status().ok() ? kExitOk : Fail(out.status());
  }
  SignalWatcher signals;
  ProgressLine progress;
  const LogSink plain = StandardErrorLog();
  const LogSink log = [&](LogLevel level, std::string_view line) {
    progress.Clear();
    plain(level, line);
  };
  Result<eval::EvalOptions> options = MakeOptions(o, log);
  if (!options.ok()) return Fail(options.status());
  Result<std::unique_ptr<eval::Evaluation>> prepared =
      eval::Evaluation::Prepare(std::move(*options));
  if (!prepared.ok()) return Fail(prepared.status());
  eval::Evaluation& evaluation = **prepared;

  signals.OnSignal([&] { evaluation.Cancel(); });
  const Status status = evaluation.Run([&](const eval::EvalProgress& p) {
    progress.Update(fmt::format("{} {}/{}", p.what, p.samples_done, p.samples), p.tokens_done,
                    p.tokens, "tokens", p.seconds);
  });
  signals.OnSignal({});
  progress.Clear();

  const bool stopped = status.code() == StatusCode::kCancelled;
  if (!status.ok() && !stopped) return Fail(status);
  if (o.json) {
    PrintJson(evaluation.MakeReport(), out);
  } else {
    out.Write(eval::ToMarkdown(evaluation.MakeReport()));
  }
  // After the table: it is not lost where a file cannot be written.
  const Result<std::vector<std::filesystem::path>> files = evaluation.WriteFiles();
  if (!files.ok()) return Fail(files.status());
  if (!out.status().ok()) return Fail(out.status());
  if (stopped) {
    std::fprintf(stderr, "quarry: stopped; the same command goes on from here\n");
    return kExitCancelled;
  }
  if (IsTerminal(STDERR_FILENO)) {
    std::vector<std::string> names;
    for (const auto& file : *files) names.push_back(file.filename().string());
    log(LogLevel::kInfo, fmt::format("in {}: samples.jsonl, {}", o.out, fmt::join(names, ", ")));
  }
  return kExitOk;
}

}  // namespace

void AddEvalCommand(CLI::App& app, int* exit_code) {
  CLI::App* c = app.add_subcommand(
      "eval", "retrieval and long-context tasks: accuracy beside density and speed, per method");
  auto o = std::make_shared<EvalCommandOptions>();
  c->add_option("tasks", o->tasks, "tasks or groups of tasks; --list shows them");
  c->add_flag("--list", o->list, "list the tasks");
  o->model.AddTo(*c);
  // One method, one file: here there are several.
  for (const char* name : {"--method", "--config", "--prefill", "--decode"}) {
    c->remove_option(c->get_option(name));
  }
  c->remove_option(c->get_option("--no-max-context-warning"));
  AddNamedMethods(*c, "dense", o->methods, o->configs);
  c->add_option("--lengths", o->lengths,
                "tokens: 4K,16K or LOW:HIGH:COUNT (default: what the model was trained for)")
      ->type_name("LIST");
  c->add_option("--samples", o->samples, "per length and seed; of the needle task per depth too")
      ->check(WholeNumber())
      ->capture_default_str();
  c->add_option("--seeds", o->seeds, "of the prompts (default: 42)")->type_name("LIST");
  c->add_option("--depths", o->depths, "of the needle task, in percent (default: 0:100:10)")
      ->type_name("LIST");
  c->add_option("-j,--jobs", o->jobs, "samples at once, each with its share of the threads")
      ->capture_default_str();
  c->add_option("--wording", o->wording,
                "original, simple, or auto: simple for models below 50 million parameters")
      ->check(CLI::IsMember({"auto", "original", "simple"}))
      ->capture_default_str();
  c->add_flag("--chat", o->chat, "put raw prompts into the model's chat template");
  c->add_flag("--coverage", o->coverage,
              "measure the share of the true attention that was kept; costs time");
  c->add_option("-f,--file", o->file, "text of the perplexity task: .txt, or .jsonl with \"text\"");
  c->add_option("--mode", o->mode,
                "perplexity: prefill (all at once) or decode (a token at a time)")
      ->check(CLI::IsMember({"prefill", "decode"}))
      ->capture_default_str();
  c->add_option("--decode-tail", o->decode_tail,
                "feed the last BYTES of each prompt a token at a time (Quest's protocol: 400)")
      ->type_name("BYTES");
  c->add_option("--haystack", o->haystack,
                "text that needles are hidden in (default: the bundled novel)")
      ->type_name("FILE");
  c->add_option("--data", o->data, "folder of official data: infinitebench/*.jsonl, ruler/*.txt")
      ->type_name("FOLDER");
  c->add_option("-o,--out", o->out, "folder for samples.jsonl, report.md and pictures")
      ->capture_default_str();
  c->add_flag("--json", o->json, "print a JSON object a row instead of Markdown");
  c->footer(R"(Examples:
  quarry eval passkey -m models/needle-5m --methods dense,inf-llm --lengths 2K,4K
  quarry eval needle -m models/needle-5m-8k --methods dense,stream-llm --lengths 1K:8K:8 \
              --samples 1 -o needle-8k
  quarry eval niah,vt -m MODEL --methods few=inf-llm,many=inf-llm --set few.topk=4 \
              --set many.topk=32 --lengths 16K --haystack essays.txt
  quarry eval perplexity -m MODEL --file book.txt --methods dense,stream-llm --lengths 4K,16K

The table goes to standard output. Every sample is written to OUT/samples.jsonl when it is done and
never computed again: after Ctrl-C the same command goes on where it stopped. A changed setting is
another experiment in the same file. --set NAME.key=value is for one method, --set key=value for
all. docs/evaluation.md describes tasks, scores and columns.)");
  c->callback([o, exit_code] { *exit_code = Eval(*o); });
}

}  // namespace quarry::cli
