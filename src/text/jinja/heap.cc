#include "text/jinja/heap.h"

#include <fmt/format.h>

#include "text/jinja/error.h"

namespace quarry::jinja {

Object::Object(Heap* heap, size_t bytes) : heap_(heap), bytes_(bytes) {
  if (heap_ != nullptr) heap_->Allocate(bytes_);
}

Object::~Object() {
  if (heap_ != nullptr) heap_->Release(bytes_);
}

// First all values go, then the objects: what one of them holds may point to another.
Heap::~Heap() {
  for (auto& object : owned_) object->Clear();
  owned_.clear();
}

int Heap::CheckDepth(int depth) const {
  if (depth > limits_.value_depth) {
    Throw(ErrorKind::kLimit, fmt::format("values nested {} deep, at most {} levels are allowed",
                                         depth, limits_.value_depth));
  }
  return depth;
}

void Heap::FailSteps() const {
  Throw(ErrorKind::kLimit,
        fmt::format("stopped: the template needs more than {} steps", limits_.steps));
}

void Heap::FailMemory(size_t bytes) const {
  Throw(ErrorKind::kMemory,
        fmt::format("stopped: the template holds {} bytes and asks for {} more, at most {} are "
                    "allowed",
                    used_, bytes, limits_.memory_bytes));
}

}  // namespace quarry::jinja
