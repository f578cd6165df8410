// QUARRY_ALWAYS_INLINE: for small functions in headers that files with special instruction sets
// include. A copy that such a file emits out of line could become the one that everybody calls.
#pragma once

#define QUARRY_ALWAYS_INLINE inline __attribute__((always_inline))
