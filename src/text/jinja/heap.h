// Work and memory of one rendering. Not thread-safe: one Heap belongs to one rendering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "text/jinja/limits.h"

namespace quarry::jinja {

class Heap;

// Anything a Value points to. Accounts for its memory as long as it lives; objects of a parsed
// template have no heap and are not counted.
class Object {
 public:
  Object(Heap* heap, size_t bytes);
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object();

  // Levels of values below this one, itself included.
  virtual int depth() const { return 1; }
  // Drops the values held, for objects that the heap owns.
  virtual void Clear() {}

 protected:
  Heap* heap() const { return heap_; }

 private:
  Heap* heap_;
  size_t bytes_;
};

class Heap {
 public:
  explicit Heap(const Limits& limits) : limits_(limits) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap();

  const Limits& limits() const { return limits_; }

  // Counts work. Throws kLimit past the limit.
  void Step(uint64_t n = 1) {
    steps_ += n;
    if (steps_ > limits_.steps) FailSteps();
  }
  // Work of copying or looking at so many bytes, or so many list items.
  void StepBytes(size_t bytes) { Step(bytes / 16); }
  void StepItems(size_t items) { Step(items / 4 + 1); }

  // Throws kMemory if `bytes` more would be too many; counts nothing. To be asked before a buffer
  // grows.
  void Reserve(size_t bytes) const {
    if (bytes > limits_.memory_bytes || used_ > limits_.memory_bytes - bytes) FailMemory(bytes);
  }
  void Allocate(size_t bytes) {
    Reserve(bytes);
    used_ += bytes;
  }
  void Release(size_t bytes) noexcept { used_ -= bytes; }

  // Throws kLimit if a value of this depth is too deep; returns it otherwise.
  int CheckDepth(int depth) const;

  // Keeps an object that other values may refer to in a circle (namespaces, frames of macros, loop
  // variables) until the heap goes. Returns a handle that owns nothing.
  template <typename T>
  std::shared_ptr<T> Own(std::unique_ptr<T> object) {
    T* raw = object.get();
    owned_.push_back(std::move(object));
    return std::shared_ptr<T>(std::shared_ptr<void>(), raw);
  }

 private:
  [[noreturn]] void FailSteps() const;
  [[noreturn]] void FailMemory(size_t bytes) const;

  const Limits limits_;
  uint64_t steps_ = 0;
  size_t used_ = 0;
  std::vector<std::unique_ptr<Object>> owned_;
};

}  // namespace quarry::jinja
