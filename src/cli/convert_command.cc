#include "cli/convert_command.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "quarry/convert.h"

#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace quarry::cli {
namespace {

constexpr std::pair<const char*, WeightType> kTypes[] = {
    {"f32", WeightType::kF32},   {"f16", WeightType::kF16},   {"bf16", WeightType::kBF16},
    {"q8_0", WeightType::kQ8_0}, {"q4_0", WeightType::kQ4_0}, {"q4_k", WeightType::kQ4_K}};

struct ConvertFlags {
  std::string input;
  std::string output;
  std::string type = "q8_0";
};

int Convert(const ConvertFlags& o) {
  SignalWatcher signals;
  std::optional<WeightType> type;
  for (const auto& [name, value] : kTypes) {
    if (o.type == name) type = value;
  }
  if (!type) {
    return Fail(InvalidArgument(
        fmt::format("--type is {}, must be f32, f16, bf16, q8_0, q4_0 or q4_k", o.type)));
  }
  if (!o.output.ends_with(".gguf")) {
    return Fail(InvalidArgument(fmt::format("{}: the name must end in .gguf", o.output)));
  }
  std::atomic<bool> cancel{false};
  signals.OnSignal([&] { cancel.store(true); });
  ProgressLine progress;
  const auto begin = std::chrono::steady_clock::now();
  const Status s =
      ConvertToGguf({.model = o.input,
                     .output = o.output,
                     .type = *type,
                     .log = StandardErrorLog(),
                     .progress =
                         [&](uint64_t done, uint64_t all) {
                           const std::chrono::duration<double> seconds =
                               std::chrono::steady_clock::now() - begin;
                           progress.Update("writing", static_cast<int64_t>(done >> 20),
                                           static_cast<int64_t>(all >> 20), "MiB", seconds.count());
                         },
                     .cancel = &cancel});
  signals.OnSignal({});
  progress.Clear();
  if (!s.ok()) return Fail(s);
  std::error_code ignored;
  Output out;
  out.Write(
      fmt::format("{}: {}\n", o.output, HumanBytes(std::filesystem::file_size(o.output, ignored))));
  return out.status().ok() ? kExitOk : Fail(out.status());
}

}  // namespace

void AddConvertCommand(CLI::App& app, int* exit_code) {
  CLI::App* c = app.add_subcommand("convert", "write a model folder as one GGUF file");
  auto o = std::make_shared<ConvertFlags>();
  c->add_option("model", o->input, "model folder: config.json, safetensors, tokenizer")->required();
  c->add_option("output", o->output, "file to write, NAME.gguf; replaced once it is whole")
      ->required();
  c->add_option("--type", o->type, "of the matrices: f32, f16, bf16, q8_0, q4_0, q4_k")
      ->capture_default_str();
  c->footer(R"(Example:
  quarry convert models/needle-5m needle.gguf --type q8_0
  quarry run -m needle.gguf -p "What is the pass key? ..."

Tokenizer and chat template are part of the file. On an error or Ctrl-C nothing is left behind.)");
  c->callback([o, exit_code] { *exit_code = Convert(*o); });
}

}  // namespace quarry::cli
