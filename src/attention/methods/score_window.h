// Per query head, a running sum for every token of a window that slides forward: the local scores
// of InfLLM, from which the tokens that represent a block are chosen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/types.h"

namespace quarry {

class ScoreWindow {
 public:
  explicit ScoreWindow(int heads) : heads_(heads) {}
  // Copies take no more memory than the window.
  ScoreWindow(const ScoreWindow& other);
  ScoreWindow(ScoreWindow&&) noexcept = default;
  ScoreWindow& operator=(const ScoreWindow& other) { return *this = ScoreWindow(other); }
  ScoreWindow& operator=(ScoreWindow&&) noexcept = default;

  TokenRange range() const { return {begin_, end_}; }

  // Tokens up to `end` belong to the window now, with sum 0.
  void ExtendTo(TokenPos end);
  // Tokens before `begin` are forgotten.
  void DropBefore(TokenPos begin);
  // Adds scores[i] to token first + i; tokens outside the window are ignored.
  void Add(int head, TokenPos first, std::span<const float> scores);
  // Sums of the tokens [tokens), which lie in the window.
  std::span<const float> Of(int head, TokenRange tokens) const;

  size_t size_bytes() const { return data_.capacity() * sizeof(float); }
  // Of a copy.
  size_t window_bytes() const {
    return static_cast<size_t>(heads_) * static_cast<size_t>(range().size()) * sizeof(float);
  }

 private:
  // The window's sums, with room for `capacity` tokens.
  std::vector<float> WithRoom(int64_t capacity) const;
  size_t Index(int head, TokenPos t) const {
    return static_cast<size_t>(head) * static_cast<size_t>(capacity_) +
           static_cast<size_t>(t - origin_);
  }

  int heads_;
  int64_t capacity_ = 0;  // tokens that fit per head
  TokenPos origin_ = 0;   // token at index 0; begin_ >= origin_
  TokenPos begin_ = 0;
  TokenPos end_ = 0;
  std::vector<float> data_;  // [heads][capacity]
};

}  // namespace quarry
