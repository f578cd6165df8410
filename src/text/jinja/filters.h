// The builtin filters and tests of Jinja, with `tojson` as transformers defines it.
#pragma once

#include <string_view>

#include "text/jinja/args.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

using FilterFunction = Value (*)(Runtime& rt, const Value& input, const Args& args);
using TestFunction = bool (*)(Runtime& rt, const Value& input, const Args& args);

// Null if there is no such filter or test.
FilterFunction FindFilter(std::string_view name);
TestFunction FindTest(std::string_view name);

// Filters that Jinja has and Quarry has not, on purpose.
bool IsUnsupportedFilter(std::string_view name);

}  // namespace quarry::jinja
