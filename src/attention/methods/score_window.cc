#include "attention/methods/score_window.h"

#include <algorithm>

#include "base/check.h"

namespace quarry {

void ScoreWindow::Reallocate(int64_t capacity) {
  std::vector<float> next(static_cast<size_t>(heads_) * static_cast<size_t>(capacity));
  for (int h = 0; h < heads_; ++h) {
    const auto from = data_.begin() + static_cast<int64_t>(Index(h, begin_));
    if (end_ > begin_) {
      std::copy(from, from + (end_ - begin_), next.begin() + static_cast<int64_t>(h) * capacity);
    }
  }
  data_.swap(next);
  capacity_ = capacity;
  origin_ = begin_;
}

void ScoreWindow::ExtendTo(TokenPos end) {
  if (end - origin_ > capacity_) {
    // Slide within the memory there is while half of it is free; grow otherwise.
    Reallocate(std::max(capacity_, 2 * (end - begin_)));
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
