#include "cli/model_options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/numbers.h"

namespace quarry::cli {
namespace {

Result<std::optional<DType>> DTypeOf(const std::string& flag, const std::string& name,
                                     bool keys_and_values) {
  if (name == "auto") return std::optional<DType>();
  if (name == "f32") return std::optional(DType::kF32);
  if (name == "bf16") return std::optional(DType::kBF16);
  if (name == "f16") return std::optional(DType::kF16);
  if (name == "int8" && keys_and_values) return std::optional(DType::kI8);
  return InvalidArgument(
      fmt::format("{} is {}, must be {}", flag, name,
                  keys_and_values ? "f16, bf16, f32 or int8" : "auto, f16, bf16 or f32"));
}

// The overrides among `set` that are parameters of `methods`.
std::vector<std::string> OverridesOf(const PhaseMethods& methods,
                                     const std::vector<std::string>& set) {
  std::vector<std::string> own;
  for (const std::string& text : set) {
    const Result<RunConfig> run = DefaultRunConfig(methods, {&text, 1});
    // A value that is refused is refused where it is used.
    const bool unused =
        run.ok() && std::any_of(run->notes.begin(), run->notes.end(), [](const std::string& note) {
          return note.find(": not used by") != note.npos;
        });
    if (!unused) own.push_back(text);
  }
  return own;
}

// "FIRST-LAST=METHOD" or "LAYER=METHOD", with those of the overrides `set` that the method has;
// they are added to `used`.
Result<LayerRange> ParseLayers(const std::string& text, const ModelInfo& info,
                               const std::vector<std::string>& set,
                               std::vector<std::string>& used) {
  LayerRange range;
  const size_t equals = text.find('=');
  const std::string ends = text.substr(0, equals);
  const auto number = [](std::string_view digits, int64_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const size_t dash = ends.find('-');
  if (equals == text.npos || !number(ends.substr(0, dash), range.first) ||
      !number(dash == ends.npos ? ends : ends.substr(dash + 1), range.last)) {
    return InvalidArgument(fmt::format("--layers is {}, must be like 0-1=dense or 3=dense", text));
  }
  const Result<AttentionConfig> method = DefaultAttentionConfig(text.substr(equals + 1));
  if (!method.ok()) return method.status().WithPrefix("--layers");
  range.methods =
      PhaseMethods(SuggestAttentionConfig(*method, info.native_context, info.sliding_window));
  const std::vector<std::string> own = OverridesOf(range.methods, set);
  const Result<RunConfig> run = DefaultRunConfig(range.methods, own);
  if (!run.ok()) return run.status().WithPrefix("--layers");
  range.methods = run->attention.methods;
  used.insert(used.end(), own.begin(), own.end());
  return range;
}

// Drops the notes that nobody uses an override that a range of layers does use.
void EraseUnusedNotes(const std::vector<std::string>& used, std::vector<std::string>& notes) {
  for (const std::string& o : used) {
    const std::string unused = fmt::format("{}: not used by", o.substr(0, o.find('=')));
    std::erase_if(notes, [&](const std::string& note) { return note.find(unused) != note.npos; });
  }
}

// Whether one of the overrides gives `key` a value.
bool Sets(const std::vector<std::string>& set, std::string_view key) {
  bool sets = false;
  for (const std::string& o : set) {
    const size_t equals = o.find('=');
    if (equals != o.npos && o.substr(0, equals) == key) sets = equals + 1 < o.size();
  }
  return sets;
}

// The methods of --method, --prefill and --decode.
Result<PhaseMethods> MethodsOf(const ModelOptions& o, const ModelInfo& info) {
  const auto named = [&](const std::string& name) -> Result<AttentionConfig> {
    Result<AttentionConfig> config =
        DefaultAttentionConfig(name.empty() ? DenseConfig::kName : std::string_view(name));
    if (!config.ok()) return config.status();
    return SuggestAttentionConfig(*config, info.native_context, info.sliding_window);
  };
  const Result<AttentionConfig> both = named(o.method);
  const Result<AttentionConfig> prefill = named(o.prefill);
  const Result<AttentionConfig> decode = named(o.decode);
  for (const auto* method : {&both, &prefill, &decode}) {
    if (!method->ok()) return method->status();
  }
  PhaseMethods methods(*both);
  // One phase alone names both, as far as the method can serve them.
  if (o.method.empty() && o.prefill.empty() != o.decode.empty()) {
    methods = PhaseMethods(o.prefill.empty() ? *decode : *prefill);
  }
  if (!o.prefill.empty()) methods.prefill = *prefill;
  if (!o.decode.empty()) methods.decode = *decode;
  return methods;
}

// The run that a file describes. With fit_lengths, one of another method than the options name
// gives all but its method, whose parameters are then those of a run without a file.
Result<RunConfig> RunOfFile(const ModelOptions& o, const std::vector<std::string>& set,
                            const std::vector<std::string>& overrides) {
  if (!o.fit_lengths) return LoadRunConfig(o.config, overrides);
  Result<RunConfig> file = LoadRunConfig(o.config, WithoutPhases(set));
  if (!file.ok()) return file.status();
  const PhaseMethods& methods = file->attention.methods;
  if (MethodName(methods.prefill) == o.prefill && MethodName(methods.decode) == o.decode) {
    return LoadRunConfig(o.config, set);
  }
  const std::string model = o.model.empty() ? file->model_path : o.model;
  const Result<ModelInfo> info = InspectModel(model);
  if (!info.ok()) return info.status();
  const Result<PhaseMethods> fitted = MethodsOf(o, *info);
  if (!fitted.ok()) return fitted.status();
  std::vector<std::string> all = set;
  all.push_back(fmt::format("chunk_size={}", file->chunk_size));
  Result<RunConfig> run = DefaultRunConfig(*fitted, all);
  if (!run.ok()) return run.status();
  run->notes.push_back(fmt::format("{}: its method, {}, and the parameters of it are not used",
                                   o.config, Describe(file->attention)));
  file->attention = run->attention;
  file->notes = run->notes;
  return file;
}

}  // namespace

void ModelOptions::AddTo(CLI::App& c) {
  c.add_option("-m,--model", model,
               "model folder (config.json, safetensors, tokenizer) or GGUF file");
  c.add_option(
      "--method", method,
      fmt::format(
          "attention method: {}; auto chooses by length (default: dense, or what --config says)",
          fmt::join(MethodNames(), ", ")));
  c.add_option("--prefill", prefill, "method that reads the prompt, where it is another one")
      ->type_name("METHOD");
  c.add_option("--decode", decode, "method that produces the answer, where it is another one")
      ->type_name("METHOD");
  c.add_option("--layers", layers,
               "another method for some layers, e.g. --layers 0-1=dense (repeatable)")
      ->type_name("FIRST-LAST=METHOD")
      ->allow_extra_args(false);
  c.add_option("-c,--config", config,
               "YAML file of InfLLM's or Q-LLM's form (docs/configuration.md)");
  c.add_option("--set", set, "override one key, e.g. --set topk=32 (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  c.add_option("--dtype", weight_dtype, "weights in memory: auto, f16, bf16, f32")
      ->capture_default_str();
  c.add_option("--quantize", quantize,
               "quantise weights on loading: q8_0, q4_0 (docs/quantization.md)");
  c.add_option("--kv-dtype", kv_dtype, "keys and values: f16, bf16, f32, int8")
      ->capture_default_str();
  c.add_option("-t,--threads", threads, "threads (default: all cores)");
  c.add_option("--chunk-size", chunk_size,
               "prompt tokens per forward pass (default 512; 8192 for minference and flexprefill)")
      ->check(WholeNumber());
  c.add_flag(
      "--fast", fast_products,
      "bf16 arithmetic for prompts where the CPU has it faster (AMD Zen 4 and 5): up to twice "
      "the speed, logits off by some hundredths");
  c.add_flag_callback(
      "--no-max-context-warning", [this] { context_warning = false; },
      "do not warn if the prompt is longer than the model was trained for and the method does not "
      "help");
}

Result<ModelSetup> Resolve(const ModelOptions& o, const LogSink& log) {
  ModelSetup setup;
  std::vector<std::string> set = o.set;
  if (o.chunk_size) set.push_back(fmt::format("chunk_size={}", *o.chunk_size));
  std::vector<std::string> overrides;
  if (!o.method.empty()) {
    // In place of all that the file says.
    overrides.push_back("attention=");
    overrides.push_back("model.type=" + o.method);
  }
  if (!o.prefill.empty()) overrides.push_back("attention.prefill=" + o.prefill);
  if (!o.decode.empty()) overrides.push_back("attention.decode=" + o.decode);
  overrides.insert(overrides.end(), set.begin(), set.end());

  std::optional<PhaseMethods> without_file;
  if (!o.config.empty()) {
    Result<RunConfig> run = RunOfFile(o, set, overrides);
    if (!run.ok()) return run.status();
    setup.run = std::move(*run);
    std::error_code error;
    if (o.model.empty() && !std::filesystem::exists(setup.run.model_path, error)) {
      return NotFound(fmt::format(
          "{}: model.path is {}, which is not there; a relative path starts at the working "
          "directory, and -m names another",
          o.config, setup.run.model_path));
    }
  } else {
    if (o.model.empty()) {
      return InvalidArgument("no model: name a folder with -m, or a file with -c that has one");
    }
    const Result<ModelInfo> info = InspectModel(o.model);
    if (!info.ok()) return info.status();
    const Result<PhaseMethods> methods = MethodsOf(o, *info);
    if (!methods.ok()) return methods.status();
    Result<RunConfig> run = DefaultRunConfig(*methods, set);
    if (!run.ok()) return run.status();
    setup.run = std::move(*run);
    without_file = *methods;
  }
  if (!o.model.empty()) {
    const std::string& tokenizer = setup.run.tokenizer_path;
    if (tokenizer.empty() || tokenizer == setup.run.model_path) setup.run.tokenizer_path = o.model;
    setup.run.model_path = o.model;
  }
  std::vector<LayerRange> layers;
  std::vector<std::string> used;
  if (!o.layers.empty()) {
    const Result<ModelInfo> info = InspectModel(setup.run.model_path);
    if (!info.ok()) return info.status();
    for (const std::string& text : o.layers) {
      Result<LayerRange> range = ParseLayers(text, *info, o.set, used);
      if (!range.ok()) return range.status();
      if (range->last >= info->layers) {
        return InvalidArgument(fmt::format("--layers is {}, must be below {}, the model's layers",
                                           text, info->layers));
      }
      layers.push_back(std::move(*range));
    }
  }
  std::vector<LayerRange>& all_layers = setup.run.attention.layers;
  all_layers.insert(all_layers.end(), layers.begin(), layers.end());
  if (without_file && !Sets(set, "chunk_size")) {
    // Read again, so that notes are about the chunks that there will be.
    const AttentionSetup attention = setup.run.attention;
    setup.run.chunk_size = SuggestChunkSize(attention);
    set.push_back(fmt::format("chunk_size={}", setup.run.chunk_size));
    const Result<RunConfig> again = DefaultRunConfig(*without_file, set);
    if (!again.ok()) return again.status();
    setup.run.notes = again->notes;
  }
  EraseUnusedNotes(used, setup.run.notes);
  if (log) {
    for (const std::string& note : setup.run.notes) log(LogLevel::kInfo, note);
  }

  const Result<std::optional<DType>> weights = DTypeOf("--dtype", o.weight_dtype, false);
  if (!weights.ok()) return weights.status();
  const Result<std::optional<DType>> kv = DTypeOf("--kv-dtype", o.kv_dtype, true);
  if (!kv.ok()) return kv.status();
  EngineOptions& e = setup.engine;
  e.model = setup.run.model_path;
  e.tokenizer = setup.run.tokenizer_path;
  e.attention = setup.run.attention;
  e.weight_dtype = *weights;
  const Result<std::optional<WeightType>> quantize = ParseQuantize(o.quantize);
  if (!quantize.ok()) return quantize.status();
  e.quantize = *quantize;
  e.kv_dtype = kv->value_or(DType::kF16);
  e.fast_products = o.fast_products;
  e.threads = o.threads;
  e.chunk_size = setup.run.chunk_size;
  e.rope_base = setup.run.rope_base;
  e.distance_scale = setup.run.distance_scale;
  e.conv_type = setup.run.conv_type;
  e.context_warning = o.context_warning;
  e.log = log;
  return setup;
}

std::vector<std::string> WithoutPhases(std::vector<std::string> set) {
  std::erase_if(set, [](const std::string& o) {
    return o.starts_with("prefill.") || o.starts_with("decode.") || o.starts_with("attention.");
  });
  return set;
}

Result<PhaseMethods> ResolveMethods(const ModelOptions& o, const ModelInfo& info,
                                    const LogSink& log) {
  const Result<PhaseMethods> methods = MethodsOf(o, info);
  if (!methods.ok()) return methods.status();
  Result<RunConfig> run = DefaultRunConfig(*methods, o.set);
  if (!run.ok()) return run.status();
  if (log) {
    for (const std::string& note : run->notes) log(LogLevel::kInfo, note);
  }
  if (const Status s = LoadPatterns(run->attention); !s.ok()) return s;
  return run->attention.methods;
}

Result<DType> ParseKvDType(const std::string& name) {
  const Result<std::optional<DType>> type = DTypeOf("--kv-dtype", name, true);
  if (!type.ok()) return type.status();
  return type->value_or(DType::kF16);
}

Result<std::optional<WeightType>> ParseQuantize(const std::string& name) {
  if (name.empty()) return std::optional<WeightType>();
  if (name == "q8_0") return std::optional(WeightType::kQ8_0);
  if (name == "q4_0") return std::optional(WeightType::kQ4_0);
  return InvalidArgument(fmt::format("--quantize is {}, must be q8_0 or q4_0", name));
}

LogSink StandardErrorLog() {
  return [](LogLevel level, std::string_view line) {
    std::fprintf(stderr, "quarry: %s%.*s\n", level == LogLevel::kWarning ? "warning: " : "",
                 static_cast<int>(line.size()), line.data());
  };
}

}  // namespace quarry::cli
