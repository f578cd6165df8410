#include "base/caught.h"

#include <exception>
#include <new>
#include <system_error>
#include <utility>

namespace quarry {

Status CaughtStatus(std::string no_memory) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(std::move(no_memory));
  } catch (const std::system_error& e) {
    // Threads that cannot be started: their stacks take memory.
    if (e.code() == std::errc::resource_unavailable_try_again) {
      return OutOfMemory(no_memory + ": a thread could not be started");
    }
    return Internal(e.what());
  } catch (const std::exception& e) {
    return Internal(e.what());
  }
}

}  // namespace quarry
