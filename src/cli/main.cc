// The quarry command.

#include <csignal>
#include <string>

#include <CLI/CLI.hpp>

#include "quarry/version.h"

#include "cli/bench_command.h"
#include "cli/convert_command.h"
#include "cli/eval_command.h"
#include "cli/exit_code.h"
#include "cli/inspect_command.h"
#include "cli/run_command.h"
#include "cli/search_command.h"

int main(int argc, char** argv) {
  namespace cli = quarry::cli;
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(
      "Reads documents far longer than a language model was made for, and answers "
      "questions about them.");
  app.name("quarry");
  app.set_version_flag("--version", std::string(quarry::Version()));
  app.require_subcommand(1);
  app.footer("quarry COMMAND --help explains a command and shows an example.");
  int exit_code = cli::kExitOk;
  cli::AddRunCommand(app, &exit_code);
  cli::AddEvalCommand(app, &exit_code);
  cli::AddBenchCommand(app, &exit_code);
  cli::AddInspectCommand(app, &exit_code);
  cli::AddSearchCommand(app, &exit_code);
  cli::AddConvertCommand(app, &exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const bool unknown = app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-';
    if (unknown) {
      std::fprintf(stderr, "quarry: unknown command \"%s\"; quarry --help lists them\n", argv[1]);
    } else {
      std::fprintf(stderr, "quarry: %s\n", e.what());
    }
    return cli::kExitUsage;
  } catch (const std::bad_alloc&) {
    return cli::Fail(quarry::OutOfMemory("out of memory"));
  } catch (const std::exception& e) {
    return cli::Fail(quarry::Internal(e.what()));
  }
  return exit_code;
}
