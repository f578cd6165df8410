// QUARRY_CHECK(condition, message): a broken invariant of Quarry itself; writes file, line and
// message to standard error and aborts. Never for bad input: that is a Status.
// QUARRY_DCHECK: the same in builds with QUARRY_DCHECKS, nothing otherwise.
#pragma once

namespace quarry {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const char* message);
}  // namespace quarry

#define QUARRY_CHECK(condition, message) \
  ((condition) ? void(0) : ::quarry::CheckFailed(__FILE__, __LINE__, #condition, message))

#ifdef QUARRY_DCHECKS
#define QUARRY_DCHECK(condition, message) QUARRY_CHECK(condition, message)
#else
#define QUARRY_DCHECK(condition, message) void(0)
#endif
