#include "attention/plan.h"

#include <algorithm>

#include "base/check.h"

namespace quarry {

void AttentionPlan::Clear() {
  segments_.clear();
  lists_.clear();
  spans_.clear();
  columns_.clear();
  duplicate_pairs_ = 0;
}

void AttentionPlan::Add(const Segment& segment) {
  segments_.push_back(segment);
  lists_.push_back({spans_.size(), spans_.size(), columns_.size(), columns_.size()});
}

void AttentionPlan::AddSpan(TokenRange span) {
  if (span.empty()) return;
  Lists& l = lists_.back();
  if (l.spans_end > l.spans_begin) {
    TokenRange& last = spans_.back();
    QUARRY_DCHECK(span.begin >= last.end, "spans out of order");
    if (span.begin == last.end) {
      last.end = span.end;
      return;
    }
  }
  spans_.push_back(span);
  l.spans_end = spans_.size();
}

void AttentionPlan::AddColumn(TokenPos t) {
  Lists& l = lists_.back();
  QUARRY_DCHECK(l.columns_begin == l.columns_end || columns_.back() < t, "columns out of order");
  columns_.push_back(t);
  l.columns_end = columns_.size();
}

void AttentionPlan::LimitToWindow(TokenPos first, int64_t width) {
  const size_t n = segments_.size();
  for (size_t i = 0; i < n; ++i) {
    Segment& s = segments_[i];
    if (s.position != PositionRule::Absolute()) continue;
    s.mask.before = std::min(s.mask.before, width - 1);

    // Columns are ascending: hidden from all rows, then from the later ones only, then from none.
    Lists& l = lists_[i];
    const auto begin = columns_.begin() + static_cast<int64_t>(l.columns_begin);
    const auto end = columns_.begin() + static_cast<int64_t>(l.columns_end);
    if (begin == end) continue;
    QUARRY_DCHECK(!s.want_scores, "scores of columns within a window");
    const auto some = std::lower_bound(begin, end, s.mask.lo(first + s.rows.begin));
    const auto all = std::lower_bound(some, end, s.mask.lo(first + s.rows.end - 1));
    l.columns_begin = static_cast<size_t>(all - columns_.begin());
    if (some == all) continue;
    Add(Segment(s));
    for (auto t = some; t != all; ++t) AddSpan({*t, *t + 1});
  }
}

int64_t AttentionPlan::KeyCount(const Segment& s) const {
  int64_t n = 0;
  for (const TokenRange& span : spans(s)) n += span.size();
  return n + static_cast<int64_t>(columns(s).size());
}

int64_t AttentionPlan::AttendedPairs(TokenPos first) const {
  int64_t total = -duplicate_pairs_;
  for (const Segment& s : segments_) {
    const TokenPos first_row = first + s.rows.begin;
    const TokenPos last_row = first + s.rows.end - 1;
    int64_t pairs = 0;
    for (const TokenRange& span : spans(s)) {
      // lo and hi grow with the row: if the extremes see it whole, all rows do.
      if (span.begin >= s.mask.lo(last_row) && span.end <= s.mask.hi(first_row)) {
        pairs += span.size() * s.rows.size();
        continue;
      }
      for (TokenPos p = first_row; p <= last_row; ++p) {
        pairs += std::max<int64_t>(
            0, std::min(span.end, s.mask.hi(p)) - std::max(span.begin, s.mask.lo(p)));
      }
    }
    pairs += static_cast<int64_t>(columns(s).size()) * s.rows.size();
    total += pairs * s.heads.size();
  }
  return total;
}

}  // namespace quarry
