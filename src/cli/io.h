// Reading what the user names, writing answers, and what to do when the reader of them has gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quarry/status.h"

namespace quarry::cli {

// The contents of a file, or of standard input for "-".
Result<std::string> ReadInput(const std::string& path);

// Standard output, unbuffered. Once a write has failed (closed pipe, full disk) nothing more is
// written and status() says what happened. REQUIRES: SIGPIPE is ignored.
class Output {
 public:
  void Write(std::string_view text);
  const Status& status() const { return status_; }

 private:
  Status status_;
};

bool IsTerminal(int fd);

// Control characters as \x1b, so that names out of a file cannot steer a terminal.
std::string Printable(std::string_view text);

// "1.5 GiB", "512 MiB", "3.2 KiB".
std::string HumanBytes(uint64_t bytes);
// "128,000"
std::string WithCommas(int64_t n);
// "0:07", "12:34", "1:02:03"
std::string Clock(double seconds);

}  // namespace quarry::cli
