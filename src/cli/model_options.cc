#include "cli/model_options.h"

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace quarry::cli {
namespace {

Result<std::optional<DType>> DTypeOf(const std::string& flag, const std::string& name,
                                     bool allow_f16) {
  if (name == "auto") return std::optional<DType>();
  if (name == "f32") return std::optional(DType::kF32);
  if (name == "bf16") return std::optional(DType::kBF16);
  if (name == "f16" && allow_f16) return std::optional(DType::kF16);
  return InvalidArgument(fmt::format("{} is {}, must be {}", flag, name,
                                     allow_f16 ? "f16, bf16 or f32" : "auto, bf16 or f32"));
}

}  // namespace

void ModelOptions::AddTo(CLI::App& c) {
  c.add_option("-m,--model", model, "model folder: config.json, safetensors, tokenizer");
  c.add_option(
      "--method", method,
      "attention method: dense, stream-llm, infinite-lm, inf-llm, qllm, quest, h2o, tova (default: "
      "dense, or what --config says)");
  c.add_option("-c,--config", config,
               "YAML file of InfLLM's or Q-LLM's form (docs/configuration.md)");
  c.add_option("--set", set, "override one key, e.g. --set topk=32 (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  c.add_option("--dtype", weight_dtype, "weights in memory: auto, bf16, f32")
      ->capture_default_str();
  c.add_option("--kv-dtype", kv_dtype, "keys and values: f16, bf16, f32")->capture_default_str();
  c.add_option("-t,--threads", threads, "threads (default: all cores)");
  c.add_option("--chunk-size", chunk_size, "prompt tokens per forward pass (default 512)");
  c.add_flag("--fast", fast_products,
             "bf16 matrix products where the CPU has them faster: logits off by some hundredths");
  c.add_flag("--max-context-warning,!--no-max-context-warning", context_warning,
             "warn if the prompt is longer than the model was trained for and the method does not "
             "help (on by default)");
}

Result<ModelSetup> Resolve(const ModelOptions& o, const LogSink& log) {
  ModelSetup setup;
  std::vector<std::string> overrides;
  if (!o.method.empty()) overrides.push_back("model.type=" + o.method);
  overrides.insert(overrides.end(), o.set.begin(), o.set.end());

  if (!o.config.empty()) {
    Result<RunConfig> run = LoadRunConfig(o.config, overrides);
    if (!run.ok()) return run.status();
    setup.run = std::move(*run);
    if (!o.model.empty()) {
      if (setup.run.tokenizer_path == setup.run.model_path) setup.run.tokenizer_path = o.model;
      setup.run.model_path = o.model;
    }
  } else {
    if (o.model.empty()) {
      return InvalidArgument("no model: name a folder with -m, or a file with -c that has one");
    }
    const Result<AttentionConfig> method =
        DefaultAttentionConfig(o.method.empty() ? DenseConfig::kName : std::string_view(o.method));
    if (!method.ok()) return method.status();
    const Result<ModelInfo> info = InspectModel(o.model);
    if (!info.ok()) return info.status();
    Result<RunConfig> run =
        DefaultRunConfig(SuggestAttentionConfig(*method, info->native_context), o.set);
    if (!run.ok()) return run.status();
    setup.run = std::move(*run);
    setup.run.model_path = o.model;
    setup.run.chunk_size = EngineOptions().chunk_size;
  }
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
  e.kv_dtype = kv->value_or(DType::kF16);
  e.fast_products = o.fast_products;
  e.threads = o.threads;
  e.chunk_size = o.chunk_size.value_or(setup.run.chunk_size);
  e.rope_base = setup.run.rope_base;
  e.distance_scale = setup.run.distance_scale;
  e.conv_type = setup.run.conv_type;
  e.context_warning = o.context_warning;
  e.log = log;
  return setup;
}

LogSink StandardErrorLog() {
  return [](LogLevel level, std::string_view line) {
    std::fprintf(stderr, "quarry: %s%.*s\n", level == LogLevel::kWarning ? "warning: " : "",
                 static_cast<int>(line.size()), line.data());
  };
}

}  // namespace quarry::cli
