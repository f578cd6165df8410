// Several methods on one command line: --methods dense,big=quest,flexprefill+quest, files, and
// overrides of one of them or of all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "cli/model_options.h"

namespace quarry::cli {

struct NamedMethod {
  std::string label;
  ModelOptions options;   // as quarry run would have them
  std::string overrides;  // what the label stands for beyond a method's name; to compare runs by
};

// Adds --methods and --config, which fill the two lists of NameMethods. `usual` is what the help
// says is taken without them.
void AddNamedMethods(CLI::App& command, std::string_view usual, std::vector<std::string>& methods,
                     std::vector<std::string>& configs);

// `methods`: METHOD, PREFILL+DECODE or LABEL=one of these, with commas between; `configs`:
// [LABEL=]FILE. Without either, dense. Of shared.set, LABEL.key=value goes to that method and
// key=value to all. The rest of `shared` holds for all.
Result<std::vector<NamedMethod>> NameMethods(const ModelOptions& shared,
                                             const std::vector<std::string>& methods,
                                             const std::vector<std::string>& configs);

// Says of max_len and truncation, where `run` has them, that they have no effect on prompts that
// are made to a length.
void NoteUnusedLengths(const RunConfig& run, const std::string& label, const LogSink& log);

}  // namespace quarry::cli
