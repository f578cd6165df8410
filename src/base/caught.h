// Exceptions at the edges of the library, where they become statuses.
#pragma once

#include <string>

#include "quarry/status.h"

namespace quarry {

// The exception that is being handled as an error. Memory and threads that cannot be had are
// kOutOfMemory with `no_memory` as the message; everything else is kInternal.
// REQUIRES: called in a catch block.
Status CaughtStatus(std::string no_memory);

}  // namespace quarry
