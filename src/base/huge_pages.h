// Large pages for memory that is read over and over: fewer address translations.
#pragma once

#include <cstddef>

namespace quarry {

inline constexpr size_t kHugePageBytes = size_t{2} << 20;

// Asks for huge pages in those parts of [memory, memory + bytes) that fill whole ones. A hint: the
// system may have none.
void PreferHugePages(void* memory, size_t bytes);

}  // namespace quarry
