// Which kernel sets this machine can run, and the choice of one.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quarry/status.h"

#include "kernels/kernel_table.h"

namespace quarry::kernels {

// The scalar reference: always built, always runs.
const KernelTable& ScalarKernels();

// The sets that were built and that this CPU can run, slowest first; scalar is the first. Tests
// loop over them.
std::span<const KernelTable* const> SupportedKernels();

// The set called `isa`, or the best one for this CPU if `isa` is empty. An error for a name that is
// not known, not built or not supported by this CPU; `source` is the option that gave the name.
Result<const KernelTable*> ChooseKernels(std::string_view isa, std::string_view source = "isa");

// As above with the name from the environment variable QUARRY_ISA (unset: the best).
Result<const KernelTable*> ChooseKernelsFromEnvironment();

}  // namespace quarry::kernels
