// quarry search: finds a sparse pattern for every head of a model.
#pragma once

namespace CLI {
class App;
}

namespace quarry::cli {

// `exit_code` is set when the command has run.
void AddSearchCommand(CLI::App& app, int* exit_code);

}  // namespace quarry::cli
