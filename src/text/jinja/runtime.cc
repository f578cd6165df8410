#include "text/jinja/runtime.h"

#include <fmt/format.h>

namespace quarry::jinja {

void Runtime::Enter(const char* what) {
  if (nesting_ >= limits().call_depth) {
    Throw(ErrorKind::kLimit, fmt::format("{} nested more than {} deep", what, limits().call_depth));
  }
  ++nesting_;
}

}  // namespace quarry::jinja
