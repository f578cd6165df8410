#include "cli/bench_command.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/attention_bench.h"
#include "bench/kernel_bench.h"
#include "bench/latency_bench.h"
#include "cli/data_roots.h"
#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/lists.h"
#include "cli/model_options.h"
#include "cli/named_methods.h"
#include "cli/numbers.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace quarry::cli {
namespace {

// Where results go besides standard output.
struct OutputFiles {
  std::string json, svg;
};

void AddJson(CLI::App& c, OutputFiles& files) {
  c.add_option("--json", files.json, "write a JSON object a row to this file as well")
      ->type_name("FILE");
}
void AddSvg(CLI::App& c, OutputFiles& files) {
  c.add_option("--svg", files.svg, "draw time over length, both logarithmic")->type_name("FILE");
}

// A file that could not be written should not be found out about after an hour.
Status CheckWritable(const std::string& path) {
  if (path.empty()) return OkStatus();
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return OkStatus();
  return NotFound(fmt::format("{}: there is no folder {}", path, folder.string()));
}

// Runs a benchmark under Ctrl-C and a progress line, and puts its report where it belongs.
template <typename Bench>
int Report(const OutputFiles& files, SignalWatcher& signals, Bench run) {
  for (const std::string& path : {files.json, files.svg}) {
    if (const Status s = CheckWritable(path); !s.ok()) return Fail(s);
  }
  ProgressLine line;
  std::atomic<bool> cancel = false;
  bench::BenchControl control;
  control.cancel = &cancel;
  control.on_progress = [&](const bench::BenchProgress& p) {
    line.Update(p.what, p.done, p.total, p.unit, p.seconds);
  };
  signals.OnSignal([&] { cancel = true; });
  const Result<bench::BenchReport> report = run(control);
  signals.OnSignal({});
  line.Clear();
  if (!report.ok()) return Fail(report.status());

  Output out;
  out.Write(bench::Markdown(*report));
  if (!out.status().ok()) return Fail(out.status());
  if (!files.json.empty()) {
    if (const Status s = bench::WriteJson(files.json, *report); !s.ok()) return Fail(s);
  }
  if (!files.svg.empty()) {
    if (const Status s = bench::WriteSvg(files.svg, *report); !s.ok()) return Fail(s);
  }
  if (!cancel) return kExitOk;
  std::fprintf(stderr, "quarry: stopped; what was measured until then is above\n");
  return kExitCancelled;
}

Result<std::vector<int64_t>> Lengths(const std::vector<std::string>& texts,
                                     std::vector<int64_t> otherwise) {
  Result<std::vector<int64_t>> lengths = ParseSizes("--lengths", texts);
  if (!lengths.ok()) return lengths.status();
  if (lengths->empty()) *lengths = std::move(otherwise);
  std::sort(lengths->begin(), lengths->end());
  lengths->erase(std::unique(lengths->begin(), lengths->end()), lengths->end());
  return lengths;
}

// Labels name rows and columns.
Result<std::vector<NamedMethod>> DistinctMethods(const ModelOptions& shared,
                                                 const std::vector<std::string>& methods,
                                                 const std::vector<std::string>& configs) {
  Result<std::vector<NamedMethod>> named = NameMethods(shared, methods, configs);
  if (!named.ok()) return named.status();
  std::set<std::string> labels;
  for (const NamedMethod& m : *named) {
    if (!labels.insert(m.label).second) {
      return InvalidArgument(
          fmt::format("--methods has {} twice; NAME=METHOD gives one another name", m.label));
    }
    if (m.label == "dense" && m.options.method != "dense") {
      return InvalidArgument("--methods: dense is the name of dense attention, take another");
    }
  }
  return named;
}

struct KernelsCommand {
  bench::KernelBenchOptions bench;
  OutputFiles files;
};

void AddKernels(CLI::App& bench, int* exit_code) {
  CLI::App* c = bench.add_subcommand("kernels", "the hot loops alone");
  auto o = std::make_shared<KernelsCommand>();
  c->add_option("--isa", o->bench.isa,
                "kernel set: scalar, avx2, avx512, ... (default: the best of this CPU)");
  c->add_option("-t,--threads", o->bench.threads, "threads (default: all cores)");
  AddJson(*c, o->files);
  c->footer(R"(Examples:
  quarry bench kernels
  quarry bench kernels --isa avx2 -t 1 --json kernels.jsonl

Each row shows its share of what the machine was measured to reach just before. About a minute and
1.2 GiB of memory.)");
  c->callback([o, exit_code] {
    SignalWatcher signals;
    *exit_code = Report(o->files, signals, [&](const bench::BenchControl& control) {
      return bench::RunKernelBench(o->bench, control);
    });
  });
}

struct AttentionCommand {
  std::vector<std::string> methods, lengths;
  ModelOptions shared;  // --set and --kv-dtype
  std::string phase = "both";
  std::string qkv;
  bench::AttentionBenchOptions bench;
  OutputFiles files;
};

const char* const kAttentionMethods =
    "dense,stream-llm,infinite-lm,inf-llm,qllm,inf-quest,quest,minference,flexprefill,a-shape,"
    "tri-shape";

// 4K, 16K, ... and of a recording all of it.
std::vector<int64_t> UsualLengths(const bench::AttentionBenchOptions& o) {
  std::vector<int64_t> lengths;
  const int64_t most = o.recorded ? o.recorded->tokens() : 256 << 10;
  for (int64_t n = o.recorded ? 1 << 10 : 4 << 10; n <= most; n *= 4) lengths.push_back(n);
  if (o.recorded) lengths.push_back(most);
  return lengths;
}

Status Prepare(AttentionCommand& o, bool shape_given) {
  bench::AttentionBenchOptions& b = o.bench;
  // What a method's lengths are fitted to: nothing limits structured heads.
  ModelInfo info;
  info.native_context = std::numeric_limits<int32_t>::max();
  if (!o.qkv.empty()) {
    if (shape_given) {
      return InvalidArgument("--heads, --kv-heads and --head-dim are those of the file with --qkv");
    }
    Result<bench::RecordedLayer> recorded = bench::RecordedLayer::Open(o.qkv);
    if (!recorded.ok()) return recorded.status();
    info.native_context = recorded->native_context();
    info.sliding_window = recorded->window();
    b.recorded = std::move(*recorded);
  }
  Result<std::vector<int64_t>> lengths = Lengths(o.lengths, UsualLengths(b));
  if (!lengths.ok()) return lengths.status();
  b.lengths = std::move(*lengths);
  b.prefill = o.phase != "decode";
  b.decode = o.phase != "prefill";
  const Result<DType> kv = ParseKvDType(o.shared.kv_dtype);
  if (!kv.ok()) return kv.status();
  b.kv_dtype = *kv;

  if (o.methods.empty()) o.methods = {kAttentionMethods};
  const Result<std::vector<NamedMethod>> named = DistinctMethods(o.shared, o.methods, {});
  if (!named.ok()) return named.status();
  for (const NamedMethod& m : *named) {
    Result<PhaseMethods> methods = ResolveMethods(m.options, info, StandardErrorLog());
    if (!methods.ok()) return methods.status();
    b.methods.push_back({m.label, std::move(*methods)});
  }
  return OkStatus();
}

void AddAttention(CLI::App& bench, int* exit_code) {
  CLI::App* c =
      bench.add_subcommand("attention", "one attention layer at depth, methods beside dense");
  auto o = std::make_shared<AttentionCommand>();
  c->add_option(
       "--methods", o->methods,
       "methods to compare, with commas: METHOD, PREFILL+DECODE, NAME=METHOD (default: all "
       "but h2o and tova, which have to attend all of a prompt before they decode)")
      ->type_name("LIST");
  c->add_option("--set", o->shared.set, "NAME.key=value for one method, key=value for all")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  c->add_option("--lengths", o->lengths,
                "tokens: 4K,64K or LOW:HIGH:COUNT (default: 4K,16K,64K,256K; of a recording "
                "1K,4K,... and all of it)")
      ->type_name("LIST");
  c->add_option("--phase", o->phase, "prefill, decode or both")
      ->check(CLI::IsMember({"prefill", "decode", "both"}))
      ->capture_default_str();
  c->add_option("--rows", o->bench.rows, "tokens of a prompt's end that prefill times, as one call")
      ->capture_default_str();
  auto* heads =
      c->add_option("--heads", o->bench.structured.heads, "query heads")->capture_default_str();
  auto* kv_heads =
      c->add_option("--kv-heads", o->bench.structured.kv_heads, "heads of keys and values")
          ->capture_default_str();
  auto* head_dim = c->add_option("--head-dim", o->bench.structured.head_dim, "channels of a head")
                       ->capture_default_str();
  c->add_option("--qkv", o->qkv,
                "measure on this recording of quarry run --dump-qkv instead of made-up heads")
      ->type_name("FILE");
  c->add_option("--kv-dtype", o->shared.kv_dtype, "keys and values: f16, bf16, f32, int8")
      ->capture_default_str();
  c->add_flag("--fast", o->bench.fast, "bf16 arithmetic for prefill where the CPU has it faster");
  c->add_option("-t,--threads", o->bench.threads, "threads (default: all cores)");
  c->add_option("--max-seconds", o->bench.budget_s,
                "time for the runs of one row: five where they fit, one at least")
      ->check(PositiveSeconds())
      ->capture_default_str();
  AddJson(*c, o->files);
  AddSvg(*c, o->files);
  c->footer(R"(Examples:
  quarry bench attention --lengths 4K,64K --methods dense,inf-llm,quest,flexprefill
  quarry bench attention --methods few=quest,many=quest --set many.token_budget=4096 --phase decode
  quarry run -m models/needle-5m -f book.txt --raw -n 1 --dump-qkv 2 layer2.safetensors
  quarry bench attention --qkv layer2.safetensors --json layer2.jsonl --svg layer2.svg

Columns: ms of a call; speed-up over dense attention of this run; density, the share of the causal
pairs attended; ideal, 1 / density, and the share of it that was reached; select, what choosing the
keys costs alone, in ms and of the whole; error of the output against dense (relative L2); and the
share of the machine's peak, measured at the start. The heads that are made up are local, vertical,
slash and topical in turn, with positions that do not rotate. Layers that a method leaves dense
(dense_layers, starting_layer) are taken as none.
256K tokens of the default shape take 4 GiB; the default list takes some ten minutes.)");
  c->callback([=] {
    SignalWatcher signals;
    const bool shape_given = heads->count() + kv_heads->count() + head_dim->count() > 0;
    if (const Status s = Prepare(*o, shape_given); !s.ok()) {
      *exit_code = Fail(s);
      return;
    }
    *exit_code = Report(o->files, signals, [&](const bench::BenchControl& control) {
      return bench::RunAttentionBench(o->bench, control);
    });
  });
}

struct LatencyCommand {
  ModelOptions model;  // what all methods share
  std::vector<std::string> methods, configs, lengths;
  std::string file;
  bench::LatencyBenchOptions bench;
  OutputFiles files;
};

const char* const kLatencyMethods = "dense,a-shape,minference,flexprefill,inf-llm,inf-quest,quest";

Status Prepare(LatencyCommand& o) {
  std::vector<int64_t> usual;
  for (int64_t n = 1 << 10; n <= 1 << 20; n *= 2) usual.push_back(n);
  Result<std::vector<int64_t>> lengths = Lengths(o.lengths, std::move(usual));
  if (!lengths.ok()) return lengths.status();
  o.bench.lengths = std::move(*lengths);
  if (o.methods.empty() && o.configs.empty()) o.methods = {kLatencyMethods};
  const Result<std::vector<NamedMethod>> named = DistinctMethods(o.model, o.methods, o.configs);
  if (!named.ok()) return named.status();
  for (const NamedMethod& m : *named) {
    Result<ModelSetup> setup = Resolve(m.options, StandardErrorLog());
    if (!setup.ok()) return setup.status();
    NoteUnusedLengths(setup->run, m.label, StandardErrorLog());
    o.bench.methods.push_back({m.label, std::move(setup->engine)});
  }
  o.bench.text = o.file;
  o.bench.roots = DataRoots(o.bench.methods[0].engine.model);
  return OkStatus();
}

void AddLatency(CLI::App& bench, int* exit_code) {
  CLI::App* c = bench.add_subcommand("latency", "a whole model: prompts of growing length");
  auto o = std::make_shared<LatencyCommand>();
  o->model.AddTo(*c);
  // One method, one file: here there are several.
  for (const char* name :
       {"--method", "--config", "--prefill", "--decode", "--no-max-context-warning"}) {
    c->remove_option(c->get_option(name));
  }
  AddNamedMethods(*c, kLatencyMethods, o->methods, o->configs);
  c->add_option("--lengths", o->lengths,
                "tokens: 1K,64K or LOW:HIGH:COUNT (default: 1K doubling up to 1M, as far as memory "
                "and --max-seconds go)")
      ->type_name("LIST");
  c->add_option("--max-seconds", o->bench.max_seconds,
                "limit of one cell: a run that takes longer is stopped, and that method tries no "
                "longer prompt")
      ->check(PositiveSeconds())
      ->capture_default_str();
  c->add_option("--new-tokens", o->bench.new_tokens, "decoding steps that are timed")
      ->capture_default_str();
  c->add_option("-f,--file", o->file, "text of the prompts (default: the bundled novel)");
  AddJson(*c, o->files);
  AddSvg(*c, o->files);
  c->footer(R"(Examples:
  quarry bench latency -m models/needle-5m --lengths 1K,4K,16K --methods dense,inf-llm
  quarry bench latency -m ~/llama-3-8b --max-seconds 600 --json latency.jsonl --svg latency.svg

Lengths are rows and methods columns: seconds of prefill, milliseconds a token of decoding, speed-up
over dense, peak memory, density, and the share of the f32 peak. Each cell is the median of five runs
after one to warm up, of fewer where they do not fit into --max-seconds. Answers are not looked at:
beyond the length that a model was trained for, only times and memory mean something.)");
  c->callback([o, exit_code] {
    SignalWatcher signals;
    if (const Status s = Prepare(*o); !s.ok()) {
      *exit_code = Fail(s);
      return;
    }
    *exit_code = Report(o->files, signals, [&](const bench::BenchControl& control) {
      return bench::RunLatencyBench(o->bench, control);
    });
  });
}

}  // namespace

void AddBenchCommand(CLI::App& app, int* exit_code) {
  CLI::App* c = app.add_subcommand("bench", "speed: kernels, one attention layer, a whole model");
  c->require_subcommand(1);
  AddKernels(*c, exit_code);
  AddAttention(*c, exit_code);
  AddLatency(*c, exit_code);
  c->footer(
      R"(quarry bench COMMAND --help explains a command and shows an example. Each measures the machine's
peaks first. A table goes to standard output as Markdown; after Ctrl-C, what there is of it.)");
}

}  // namespace quarry::cli
