// Where JSON stops being JSON, for the readers of src/format.
#pragma once

#include <cstddef>
#include <string_view>

#include "quarry/status.h"

namespace quarry {

// `name:line:column: not valid JSON: reason`. `position` is the number of bytes of `text` that the
// parser had read, the offending one included; `what` its exception's text.
Status JsonSyntaxError(std::string_view text, size_t position, std::string_view name,
                       std::string_view what);

}  // namespace quarry
