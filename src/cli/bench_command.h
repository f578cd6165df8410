// quarry bench: kernels, one attention layer, whole models, beside what the machine can do.
#pragma once

namespace CLI {
class App;
}

namespace quarry::cli {

// Adds the subcommand; when it is chosen, its exit status is left in *exit_code.
void AddBenchCommand(CLI::App& app, int* exit_code);

}  // namespace quarry::cli
