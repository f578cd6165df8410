// quarry inspect: what a model is and what it will cost.
#pragma once

namespace CLI {
class App;
}

namespace quarry::cli {

// Adds the subcommand; when it is chosen, its exit status is left in *exit_code.
void AddInspectCommand(CLI::App& app, int* exit_code);

}  // namespace quarry::cli
