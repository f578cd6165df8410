// The quarry command.

#include <csignal>
#include <cstdio>
#include <string>
#include <system_error>

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
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the size limit is an error of write() then
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
    const int code = app.exit(e);
    std::fflush(stdout);
    return std::ferror(stdout) != 0 ? cli::Fail(quarry::IoError("standard output: write failed"))
                                    : code;
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
  } catch (const std::system_error& e) {
    // Threads that cannot be started: their stacks take memory.
    if (e.code() == std::errc::resource_unavailable_try_again) {
      return cli::Fail(quarry::OutOfMemory("out of memory: a thread could not be started"));
    }
    return cli::Fail(quarry::Internal(e.what()));
  } catch (const std::exception& e) {
    return cli::Fail(quarry::Internal(e.what()));
  }
  return exit_code;
}
