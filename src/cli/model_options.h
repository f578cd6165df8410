// Options that every command which runs a model has: which model, which method, how.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quarry/config.h"
#include "quarry/engine.h"

namespace CLI {
class App;
}

namespace quarry::cli {

struct ModelOptions {
  std::string model;
  std::string method;
  std::string prefill;
  std::string decode;
  std::vector<std::string> layers;
  std::string config;
  std::vector<std::string> set;
  std::string weight_dtype = "auto";
  std::string quantize;
  std::string kv_dtype = "f16";
  int threads = 0;
  std::optional<int64_t> chunk_size;
  bool fast_products = false;
  bool context_warning = true;
  // prefill and decode replace the methods of `config`, with lengths that suit the model where
  // those are others.
  bool fit_lengths = false;

  void AddTo(CLI::App& command);
};

struct ModelSetup {
  RunConfig run;
  EngineOptions engine;
};

// Reads the configuration file, the model's config.json and the overrides. Notes of the
// configuration go to `log`.
Result<ModelSetup> Resolve(const ModelOptions& options, const LogSink& log);

// The overrides but those of a phase, which are for a method that is chosen later.
std::vector<std::string> WithoutPhases(std::vector<std::string> set);

// The methods that --method, --prefill, --decode and --set ask for, with lengths that suit a model
// of this native_context and sliding_window; nothing else of `info` is looked at. Files that
// parameters name are read.
Result<PhaseMethods> ResolveMethods(const ModelOptions& options, const ModelInfo& info,
                                    const LogSink& log);

// "f16", "bf16", "f32" or "int8", as --kv-dtype has it.
Result<DType> ParseKvDType(const std::string& name);

// "q8_0" or "q4_0", as --quantize has it; empty: none.
Result<std::optional<WeightType>> ParseQuantize(const std::string& name);

// Remarks on standard error, one line each.
LogSink StandardErrorLog();

}  // namespace quarry::cli
