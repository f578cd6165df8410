// A selection is data: which keys the rows of one call attend to. A method writes a plan, the
// executor carries it out; plans can be printed, compared and counted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "quarry/types.h"

#include "kv/kv_store.h"

namespace quarry {

// Which of a segment's tokens t the query at position p sees: p - before <= t <= p - after.
struct Mask {
  static constexpr int64_t kUnbounded = std::numeric_limits<int32_t>::max();

  int64_t before = kUnbounded;
  int64_t after = 0;

  static Mask Causal() { return {kUnbounded, 0}; }
  // The query itself and the width - 1 tokens before it.
  static Mask Band(int64_t width) { return {width - 1, 0}; }
  // What a band of that width leaves out of the past.
  static Mask Beyond(int64_t width) { return {kUnbounded, width}; }
  static Mask None() { return {kUnbounded, -kUnbounded}; }

  TokenPos lo(TokenPos p) const { return p >= before ? p - before : 0; }  // first token seen
  TokenPos hi(TokenPos p) const { return p - after + 1; }                 // one past the last
};

// How queries and keys of a segment are rotated.
struct PositionRule {
  KvPlane keys = KvPlane::kRotatedKeys;
  std::optional<TokenPos> query;  // rotate every query as if it stood here; unset: at its own

  // True relative distances.
  static PositionRule Absolute() { return {KvPlane::kRotatedKeys, std::nullopt}; }
  // Every key of the segment seems `distance` away.
  static PositionRule Capped(int64_t distance) { return {KvPlane::kRawKeys, distance}; }
  // Keys at their true positions, queries at a slot of the cache.
  static PositionRule Slot(TokenPos query) { return {KvPlane::kRotatedKeys, query}; }

  friend bool operator==(const PositionRule&, const PositionRule&) = default;
};

// [begin, end) of heads or rows.
struct IndexRange {
  int begin = 0;
  int end = 0;
  int size() const { return end - begin; }
};

// Rows of query heads that share one selection.
struct Segment {
  IndexRange heads;  // query heads
  IndexRange rows;   // rows of the planned call, from 0
  Mask mask;
  PositionRule position;
  // The executor also reports, per query head and key, the probability that these rows give the
  // key together (see KeyScores).
  bool want_scores = false;
};

class AttentionPlan;

// All earlier keys for rows [0, n_rows) at `first`: at true distances, or, with a window above 0,
// only within the window and those beyond it at its edge.
void PlanWholePast(IndexRange heads, TokenPos first, int n_rows, int64_t window,
                   AttentionPlan& plan);

// The selection of one execution block. Keeps its memory from one block to the next.
class AttentionPlan {
 public:
  void Clear();
  // Starts a segment; spans and columns added next belong to it.
  void Add(const Segment& segment);
  // REQUIRES: spans of a segment are added in ascending order and do not overlap; touching ones
  // become one. Empty spans are ignored.
  void AddSpan(TokenRange span);
  // A single key. REQUIRES: ascending, in no span of the segment, visible to all of its rows.
  void AddColumn(TokenPos t);

  // Single keys of one KV head that many segments look at, each at its own part: they are copied
  // together once an execution. Returns the list's number. REQUIRES: tokens are ascending.
  int AddColumnList(int kv_head, KvPlane keys, std::span<const TokenPos> tokens);
  // The segment also sees those of the list's tokens that are in `among` and in none of its spans.
  // REQUIRES: its spans have been added; its heads share the list's KV head and its position rule
  // the list's keys; all of its rows may see tokens below among.end.
  void UseColumnList(int list, TokenRange among);
  // Takes out what a sliding window of `width` keys, the query's own included, hides from queries
  // that see keys at true distances; row 0 stands at position `first`. Segments with another
  // position rule stay as they are. Columns that only some rows may see become spans of a segment
  // of their own. REQUIRES: no segment that wants scores has columns which that hides from a row.
  void LimitToWindow(TokenPos first, int64_t width);
  // Pairs that the segments count twice although they are one (a density never exceeds 1).
  void AddDuplicatePairs(int64_t pairs) { duplicate_pairs_ += pairs; }

  std::span<const Segment> segments() const { return segments_; }
  // Of one of segments().
  std::span<const TokenRange> spans(const Segment& s) const {
    const Lists& l = ListsOf(s);
    return {spans_.data() + l.spans_begin, l.spans_end - l.spans_begin};
  }
  std::span<const TokenPos> columns(const Segment& s) const {
    const Lists& l = ListsOf(s);
    return {columns_.data() + l.columns_begin, l.columns_end - l.columns_begin};
  }
  // Keys of a segment: its spans' tokens in order, its columns, then all tokens of its column list,
  // seen or not.
  int64_t KeyCount(const Segment& s) const;

  struct ColumnList {
    int kv_head;
    KvPlane keys;
    size_t begin, end;
  };
  std::span<const ColumnList> column_lists() const { return column_lists_; }
  std::span<const TokenPos> tokens(const ColumnList& l) const {
    return {listed_.data() + l.begin, l.end - l.begin};
  }
  // The segment's column list, -1 if it has none.
  int column_list(const Segment& s) const { return ListsOf(s).column_list; }
  // Calls f(panel, lanes) for the list's tokens [16 * panel, 16 * panel + 16) of which the segment
  // sees some: bit i of `lanes` stands for the i-th.
  template <typename F>
  void ForEachListPanel(const Segment& s, F f) const;

  // Distinct (query, key) pairs over all query heads, if row 0 stands at position `first`.
  int64_t AttendedPairs(TokenPos first) const;

 private:
  struct Lists {
    size_t spans_begin, spans_end;
    size_t columns_begin, columns_end;
    int column_list;
    TokenRange list_tokens;  // those of the list that are seen
  };
  const Lists& ListsOf(const Segment& s) const {
    return lists_[static_cast<size_t>(&s - segments_.data())];
  }

  std::vector<Segment> segments_;
  std::vector<Lists> lists_;  // per segment
  std::vector<TokenRange> spans_;
  std::vector<TokenPos> columns_;
  std::vector<ColumnList> column_lists_;
  std::vector<TokenPos> listed_;  // tokens of all column lists
  int64_t duplicate_pairs_ = 0;
};

template <typename F>
void AttentionPlan::ForEachListPanel(const Segment& s, F f) const {
  const Lists& l = ListsOf(s);
  if (l.column_list < 0) return;
  const std::span<const TokenPos> t = tokens(column_lists_[static_cast<size_t>(l.column_list)]);
  const std::span<const TokenRange> ranges = spans(s);
  size_t range = 0;
  const auto seen = std::lower_bound(t.begin(), t.end(), l.list_tokens.begin) - t.begin();
  for (auto begin = static_cast<size_t>(seen) / kTokensPerPanel * kTokensPerPanel;
       begin < t.size() && t[begin] < l.list_tokens.end; begin += kTokensPerPanel) {
    uint32_t lanes = 0;
    const size_t end = std::min(t.size(), begin + kTokensPerPanel);
    for (size_t i = begin; i < end && t[i] < l.list_tokens.end; ++i) {
      if (t[i] < l.list_tokens.begin) continue;
      while (range < ranges.size() && ranges[range].end <= t[i]) ++range;
      if (range == ranges.size() || t[i] < ranges[range].begin) lanes |= 1u << (i - begin);
    }
    if (lanes != 0) f(static_cast<int64_t>(begin) / kTokensPerPanel, lanes);
  }
}

}  // namespace quarry
