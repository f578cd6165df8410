#include "attention/methods/score_window.h"

#include <algorithm>

#include "base/check.h"

namespace quarry {

ScoreWindow::ScoreWindow(const ScoreWindow& other)
    : heads_(other.heads_),
      capacity_(other.range().size()),
      origin_(other.begin_),
      begin_(other.begin_),
      end_(other.end_),
      data_(other.WithRoom(capacity_)) {}

std::vector<float> ScoreWindow::WithRoom(int64_t capacity) const {
  std::vector<float> data(static_cast<size_t>(heads_) * static_cast<size_t>(capacity));
  for (int h = 0; h < heads_ && end_ > begin_; ++h) {
    const auto from = data_.begin() + static_cast<int64_t>(Index(h, begin_));
    std::copy(from, from + (end_ - begin_), data.begin() + static_cast<int64_t>(h) * capacity);
  }
  return data;
}

void ScoreWindow::ExtendTo(TokenPos end) {
  if (end - origin_ > capacity_) {
    // Slide within the memory there is while a fifth of it is free; grow otherwise.
    const TokenPos n = end - begin_;
    const int64_t capacity = std::max(capacity_, n + n / 4);
    data_ = WithRoom(capacity);
    capacity_ = capacity;
    origin_ = begin_;
  }
  for (int h = 0; h < heads_ && end > end_; ++h) {
    std::fill_n(data_.begin() + static_cast<int64_t>(Index(h, end_)), end - end_, 0.0f);
  }
  end_ = std::max(end_, end);
}

void ScoreWindow::DropBefore(TokenPos begin) { begin_ = std::clamp(begin, begin_, end_); }

void ScoreWindow::Add(int head, TokenPos first, std::span<const float> scores) {
  const TokenPos from = std::max(first, begin_);
  const TokenPos to = std::min(first + static_cast<TokenPos>(scores.size()), end_);
  for (TokenPos t = from; t < to; ++t) {
    data_[Index(head, t)] += scores[static_cast<size_t>(t - first)];
  }
}

std::span<const float> ScoreWindow::Of(int head, TokenRange tokens) const {
  QUARRY_DCHECK(tokens.begin >= begin_ && tokens.end <= end_, "token outside the score window");
  return {data_.data() + Index(head, tokens.begin), static_cast<size_t>(tokens.size())};
}

}  // namespace quarry
