// Python's three ways to format: "%d" % x, "{}".format(x), format(x, ".2f").
#pragma once

#include <string_view>

#include "text/jinja/args.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// format(value, spec): fill, align, sign, '#', '0', width, ',' or '_', precision, type.
// `spec_from_user`: padding counts as the user's.
void FormatValue(Runtime& rt, const Value& value, std::string_view spec, bool spec_from_user,
                 StrBuilder& out);

// text.format(*args, **kwargs). Fields reach attributes and items by the rules of the sandbox.
Value FormatBraces(Runtime& rt, const Str& text, const Args& args);

// text % values; a tuple holds several values, a dict named ones.
Value FormatPercent(Runtime& rt, const Str& text, const Value& values);

// An integer in base 2, 8, 10 or 16, without a sign.
std::string Digits(Runtime& rt, const Value& integer, int base, bool upper);

}  // namespace quarry::jinja
