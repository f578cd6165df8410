#include "quarry/version.h"

namespace quarry {

std::string_view Version() { return QUARRY_VERSION; }

}  // namespace quarry
