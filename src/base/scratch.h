// A bump allocator for working memory. Grows on first use, then reuses: once warm, a step of the
// model allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/aligned_buffer.h"

namespace quarry {

class Scratch {
 public:
  // `count` uninitialised values, 64-byte aligned, valid until the enclosing Scope ends.
  template <typename T>
  std::span<T> Take(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return {reinterpret_cast<T*>(TakeBytes(count * sizeof(T))), count};
  }

  // Gives back everything. REQUIRES: no Scope is open.
  void Reset() {
    chunk_ = 0;
    used_ = 0;
  }

  // Gives back on destruction what was taken since construction. Scopes nest.
  class Scope {
   public:
    explicit Scope(Scratch& scratch)
        : scratch_(scratch), chunk_(scratch.chunk_), used_(scratch.used_) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      scratch_.chunk_ = chunk_;
      scratch_.used_ = used_;
    }

   private:
    Scratch& scratch_;
    size_t chunk_;
    size_t used_;
  };

 private:
  std::byte* TakeBytes(size_t bytes);

  std::vector<AlignedBuffer> chunks_;
  size_t chunk_ = 0;  // the chunk that is being filled
  size_t used_ = 0;   // bytes taken of it
};

}  // namespace quarry
