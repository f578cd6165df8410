#include "base/huge_pages.h"

#include <cstdint>

#include <sys/mman.h>

namespace quarry {

void PreferHugePages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto at = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = (at + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const uintptr_t end = (at + bytes) / kHugePageBytes * kHugePageBytes;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace quarry
