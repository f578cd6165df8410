// Runs a program and collects what it leaves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quarry {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string out;
  std::string err;
};

struct ProcessOptions {
  std::string input = {};            // for standard input
  bool close_output = false;         // its standard output is a pipe nobody reads
  double interrupt_after_s = 0;      // then SIGINT; 0: never
  uint64_t address_space_bytes = 0;  // RLIMIT_AS; 0: none
};

ProcessResult RunProcess(const std::vector<std::string>& command,
                         const ProcessOptions& options = {});

// The quarry command of this build.
ProcessResult Quarry(std::vector<std::string> args, const ProcessOptions& options = {});

}  // namespace quarry
