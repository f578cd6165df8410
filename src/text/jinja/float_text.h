// Floats as text, the way Python reads and prints them, whatever the process's locale.
#pragma once

#include <string>
#include <string_view>

namespace quarry::jinja {

// The double nearest to "123", "1.5e-7", ...: digits with an optional point and exponent, no sign.
// Infinite or 0 where the range ends. REQUIRES: `text` has that form.
double ParseDecimal(std::string_view text);

// repr(): the shortest digits that read back as the same double; "1e+16", "0.0001", "1e-05", "inf".
std::string FloatRepr(double value);

// One conversion of printf: type is e, E, f, F, g or G; or r, which is g with an exponent for
// whole numbers of `precision` digits and at least one digit after the point for others.
// `alternate` keeps the point and trailing zeros ('#'). Carries the sign of negative numbers; "inf"
// and "nan" in the case of the type.
std::string FormatFloat(double value, char type, int precision, bool alternate = false);

// round(value, digits), half to even on the exact value, as Python does; digits may be negative.
double RoundFloat(double value, int digits);

}  // namespace quarry::jinja
