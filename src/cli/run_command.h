// quarry run: one prompt, or one document and a question, to an answer.
#pragma once

namespace CLI {
class App;
}

namespace quarry::cli {

// Adds the subcommand; when it is chosen, its exit status is left in *exit_code.
void AddRunCommand(CLI::App& app, int* exit_code);

}  // namespace quarry::cli
