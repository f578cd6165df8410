// What this process uses and what it may still take.
#pragma once

#include <cstdint>

namespace quarry {

// Highest resident set size of this process so far; mapped files that were read count.
uint64_t PeakRssBytes();
// Gives freed memory back and makes PeakRssBytes start over from now. False where the system cannot
// (it is Linux's /proc/self/clear_refs).
bool ResetPeakRss();
// Resident set size now; 0 if the system does not tell.
uint64_t CurrentRssBytes();

// Bytes this process can still allocate without swapping or meeting a limit: the least of the
// system's available memory, the cgroup's and the address-space limit's headroom. UINT64_MAX if
// nothing is known.
uint64_t AvailableMemoryBytes();

}  // namespace quarry
