// quarry convert: a model folder to one GGUF file.
#pragma once

namespace CLI {
class App;
}

namespace quarry::cli {

// Adds the subcommand; when it is chosen, its exit status is left in *exit_code.
void AddConvertCommand(CLI::App& app, int* exit_code);

}  // namespace quarry::cli
