// What the exit status of every command says.
#pragma once

#include <cstdio>
#include <string>

#include "quarry/status.h"

namespace quarry::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitInternal = 1;
inline constexpr int kExitUsage = 2;  // bad option, bad config value, empty prompt
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitCorrupt = 4;
inline constexpr int kExitUnsupported = 5;
inline constexpr int kExitMemory = 6;
inline constexpr int kExitIo = 7;           // closed output, full disk
inline constexpr int kExitCancelled = 130;  // as a shell reports Ctrl-C

inline int ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kInvalidArgument:
      return kExitUsage;
    case StatusCode::kNotFound:
      return kExitNotFound;
    case StatusCode::kCorruptData:
      return kExitCorrupt;
    case StatusCode::kUnsupported:
      return kExitUnsupported;
    case StatusCode::kOutOfMemory:
      return kExitMemory;
    case StatusCode::kIoError:
      return kExitIo;
    case StatusCode::kCancelled:
      return kExitCancelled;
    case StatusCode::kInternal:
      return kExitInternal;
  }
  return kExitInternal;
}

// One line on standard error; returns the exit status.
inline int Fail(const Status& status) {
  std::fprintf(stderr, "quarry: %s\n", status.message().c_str());
  return ExitCodeOf(status);
}

}  // namespace quarry::cli
