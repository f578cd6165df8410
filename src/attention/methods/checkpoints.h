// States of the past that a method can go back to: few, the further back the further apart.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <utility>

#include "quarry/types.h"

namespace quarry {

template <typename T>
class Checkpoints {
 public:
  // Decoding makes a call per token; one state in so many tokens is remembered.
  static constexpr TokenPos kStride = 64;
  // All together may take this much; at least kLeast are kept whatever they take.
  static constexpr size_t kBytes = size_t{1} << 19;
  static constexpr size_t kLeast = 2;
  static constexpr size_t kMost = 16;

  // Remembers the state of `length` tokens, of `bytes` bytes, unless one near by is remembered.
  void Save(TokenPos length, const T& state, size_t bytes) {
    if (length == 0) return;
    if (!saved_.empty() && length - saved_.back().length < kStride) return;
    saved_.push_back({length, state, bytes});
    const size_t limit = std::clamp(kBytes / std::max<size_t>(1, bytes), kLeast, kMost);
    if (saved_.size() <= limit) return;
    // Every second of the older ones goes, so that the distance into the past grows.
    std::deque<Saved> kept;
    for (size_t i = 0; i < saved_.size(); ++i) {
      if (i % 2 == 0 || i + 2 >= saved_.size()) kept.push_back(std::move(saved_[i]));
    }
    saved_.swap(kept);
    while (saved_.size() > limit) saved_.pop_front();
  }

  // The longest state of at most n tokens, null if there is none; forgets those beyond n.
  const T* Restore(TokenPos n) {
    while (!saved_.empty() && saved_.back().length > n) saved_.pop_back();
    return saved_.empty() ? nullptr : &saved_.back().state;
  }

  size_t size_bytes() const {
    size_t bytes = 0;
    for (const Saved& s : saved_) bytes += s.bytes;
    return bytes;
  }

 private:
  struct Saved {
    TokenPos length;
    T state;
    size_t bytes;
  };
  std::deque<Saved> saved_;
};

}  // namespace quarry
