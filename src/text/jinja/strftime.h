// strftime() of a local wall-clock time without a zone, in the C locale.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

namespace quarry::jinja {

// C99's directives, glibc's %k %l %P %s and flags (%-d, %_d, %0e, %^a, %#Z), Python's %f
// (microseconds). %z and %Z are empty: the time has no zone. What is no directive stays as it is.
std::string FormatTime(std::string_view format, WallTime time);

// The system's local time.
WallTime LocalNow();

}  // namespace quarry::jinja
