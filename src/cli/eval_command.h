// quarry eval: retrieval and long-context tasks per method, with tables.
#pragma once

namespace CLI {
class App;
}

namespace quarry::cli {

// Adds the subcommand; when it is chosen, its exit status is left in *exit_code.
void AddEvalCommand(CLI::App& app, int* exit_code);

}  // namespace quarry::cli
