#include "cli/named_methods.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/io.h"
#include "cli/lists.h"

namespace quarry::cli {
namespace {

// "LABEL=REST" or "REST", whose label is `fallback(REST)`.
template <typename Fallback>
std::pair<std::string, std::string> Labelled(const std::string& text, Fallback fallback) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {fallback(text), text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

void AddNamedMethods(CLI::App& command, std::string_view usual, std::vector<std::string>& methods,
                     std::vector<std::string>& configs) {
  command
      .add_option("--methods", methods,
                  fmt::format("methods to compare, with commas: METHOD, PREFILL+DECODE, "
                              "NAME=METHOD (default: {})",
                              usual))
      ->type_name("LIST");
  command
      .add_option("-c,--config", configs,
                  "YAML file that is one more method to compare (repeatable)")
      ->type_name("[NAME=]FILE")
      ->allow_extra_args(false);
}

Result<std::vector<NamedMethod>> NameMethods(const ModelOptions& shared,
                                             const std::vector<std::string>& methods,
                                             const std::vector<std::string>& configs) {
  std::vector<NamedMethod> named;
  ModelOptions common = shared;
  common.set.clear();
  std::vector<std::string> names = SplitCommas(methods);
  if (names.empty() && configs.empty()) names = {"dense"};
  for (const std::string& text : names) {
    const auto [label, method] = Labelled(text, [](const std::string& s) { return s; });
    NamedMethod m = {label, common, ""};
    const size_t plus = method.find('+');
    if (plus == std::string::npos) {
      m.options.method = method;
    } else {
      m.options.prefill = method.substr(0, plus);
      m.options.decode = method.substr(plus + 1);
    }
    named.push_back(std::move(m));
  }
  for (const std::string& text : configs) {
    const auto [label, path] = Labelled(
        text, [](const std::string& s) { return std::filesystem::path(s).stem().string(); });
    NamedMethod m = {label, common, ""};
    m.options.config = path;
    Result<std::string> contents = ReadInput(path);
    if (!contents.ok()) return contents.status();
    m.overrides = std::move(*contents);
    named.push_back(std::move(m));
  }

  for (const std::string& set : shared.set) {
    const std::string prefix = set.substr(0, std::min(set.find('.'), set.find('=')));
    const auto own = std::find_if(named.begin(), named.end(),
                                  [&](const NamedMethod& m) { return m.label == prefix; });
    for (NamedMethod& m : named) {
      if (own != named.end() && &*own != &m) continue;
      const std::string value = own != named.end() ? set.substr(prefix.size() + 1) : set;
      m.options.set.push_back(value);
      m.overrides += "\n--set " + value;
    }
  }
  return named;
}

void NoteUnusedLengths(const RunConfig& run, const std::string& label, const LogSink& log) {
  const RunConfig usual;
  const auto note = [&](std::string_view key) {
    log(LogLevel::kInfo,
        fmt::format("{}: {}: no effect here, prompts are made to --lengths", label, key));
  };
  if (run.max_len != usual.max_len) note("max_len");
  if (run.truncation != usual.truncation) note("truncation");
}

}  // namespace quarry::cli
