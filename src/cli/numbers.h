// Checks of numbers on the command line, which CLI11 would wrap around or cut to the type's limits.
#pragma once

#include <CLI/CLI.hpp>

namespace quarry::cli {

// An integer that 64 bits hold.
CLI::Validator WholeNumber();
// An integer from 0 to 2^64 - 1.
CLI::Validator SeedNumber();
// A number above 0.
CLI::Validator PositiveSeconds();

}  // namespace quarry::cli
