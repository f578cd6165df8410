#include "attention/plan.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"

namespace quarry {

void AttentionPlan::Clear() {
  segments_.clear();
  lists_.clear();
  spans_.clear();
  columns_.clear();
  column_lists_.clear();
  listed_.clear();
  duplicate_pairs_ = 0;
}

void AttentionPlan::Add(const Segment& segment) {
  segments_.push_back(segment);
  lists_.push_back({spans_.size(), spans_.size(), columns_.size(), columns_.size(), -1, {0, 0}});
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

int AttentionPlan::AddColumnList(int kv_head, KvPlane keys, std::span<const TokenPos> tokens) {
  QUARRY_DCHECK(
      std::adjacent_find(tokens.begin(), tokens.end(), std::greater_equal<>()) == tokens.end(),
      "listed columns out of order");
  column_lists_.push_back({kv_head, keys, listed_.size(), listed_.size() + tokens.size()});
  listed_.insert(listed_.end(), tokens.begin(), tokens.end());
  return static_cast<int>(column_lists_.size()) - 1;
}

void AttentionPlan::UseColumnList(int list, TokenRange among) {
  lists_.back().column_list = list;
  lists_.back().list_tokens = among;
}

void AttentionPlan::LimitToWindow(TokenPos first, int64_t width) {
  const size_t n = segments_.size();
  std::vector<TokenPos> partly;  // columns that some rows of a segment may see
  for (size_t i = 0; i < n; ++i) {
    Segment& s = segments_[i];
    if (s.position != PositionRule::Absolute()) continue;
    s.mask.before = std::min(s.mask.before, width - 1);
    // Hidden from all rows below `some`, from the later ones only below `all`, then from none.
    const TokenPos some = s.mask.lo(first + s.rows.begin);
    const TokenPos all = s.mask.lo(first + s.rows.end - 1);

    partly.clear();
    ForEachListPanel(s, [&](int64_t panel, uint32_t lanes) {
      const ColumnList& list = column_lists_[static_cast<size_t>(column_list(s))];
      for (; lanes != 0; lanes &= lanes - 1) {
        const auto lane = static_cast<size_t>(std::countr_zero(lanes));
        const TokenPos t = tokens(list)[static_cast<size_t>(panel) * kTokensPerPanel + lane];
        if (t >= some && t < all) partly.push_back(t);
      }
    });
    Lists& l = lists_[i];
    l.list_tokens.begin = std::max(l.list_tokens.begin, all);
    const auto begin = columns_.begin() + static_cast<int64_t>(l.columns_begin);
    const auto end = columns_.begin() + static_cast<int64_t>(l.columns_end);
    const auto from = std::lower_bound(begin, end, some);
    const auto to = std::lower_bound(from, end, all);
    QUARRY_DCHECK(!s.want_scores || (to == begin && l.column_list < 0),
                  "scores of columns outside of a window");
    partly.insert(partly.end(), from, to);
    l.columns_begin = static_cast<size_t>(to - columns_.begin());
    if (partly.empty()) continue;
    std::sort(partly.begin(), partly.end());
    Add(Segment(s));
    for (TokenPos t : partly) AddSpan({t, t + 1});
  }
}

int64_t AttentionPlan::KeyCount(const Segment& s) const {
  int64_t n = 0;
  for (const TokenRange& span : spans(s)) n += span.size();
  n += static_cast<int64_t>(columns(s).size());
  const int list = column_list(s);
  if (list < 0) return n;
  return n + static_cast<int64_t>(tokens(column_lists_[static_cast<size_t>(list)]).size());
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
    int64_t single = static_cast<int64_t>(columns(s).size());
    ForEachListPanel(s, [&](int64_t, uint32_t lanes) { single += std::popcount(lanes); });
    pairs += single * s.rows.size();
    total += pairs * s.heads.size();
  }
  return total;
}

void PlanWholePast(IndexRange heads, TokenPos first, int n_rows, int64_t window,
                   AttentionPlan& plan) {
  const TokenPos end = first + n_rows;
  const IndexRange rows = {0, n_rows};
  if (window <= 0) {
    plan.Add({.heads = heads,
              .rows = rows,
              .mask = Mask::Causal(),
              .position = PositionRule::Absolute()});
    return plan.AddSpan({0, end});
  }
  plan.Add({.heads = heads,
            .rows = rows,
            .mask = Mask::Band(window),
            .position = PositionRule::Absolute()});
  plan.AddSpan({std::max<TokenPos>(0, first - window + 1), end});
  if (end <= window) return;
  plan.Add({.heads = heads,
            .rows = rows,
            .mask = Mask::Beyond(window),
            .position = PositionRule::Capped(window - 1)});
  plan.AddSpan({0, end - window});
}

}  // namespace quarry
