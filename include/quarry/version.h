#pragma once

#include <string_view>

namespace quarry {

// "major.minor.patch" of the library that is linked.
std::string_view Version();

}  // namespace quarry
