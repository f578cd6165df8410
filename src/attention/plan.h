// A selection is data: which keys the rows of one call attend to. A method writes a plan, the
// executor carries it out; plans can be printed, compared and counted.
#pragma once

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
  // Takes out what a sliding window of `width` keys, the query's own included, hides from queries
  // that see keys at true distances; row 0 stands at position `first`. Segments with another
  // position rule stay as they are. Columns that only some rows may see become spans of a segment
  // of their own. REQUIRES: no segment with columns wants scores.
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
  // Keys of a segment: its spans' tokens in order, then its columns.
  int64_t KeyCount(const Segment& s) const;

  // Distinct (query, key) pairs over all query heads, if row 0 stands at position `first`.
  int64_t AttendedPairs(TokenPos first) const;

 private:
  struct Lists {
    size_t spans_begin, spans_end;
    size_t columns_begin, columns_end;
  };
  const Lists& ListsOf(const Segment& s) const {
    return lists_[static_cast<size_t>(&s - segments_.data())];
  }

  std::vector<Segment> segments_;
  std::vector<Lists> lists_;  // per segment
  std::vector<TokenRange> spans_;
  std::vector<TokenPos> columns_;
  int64_t duplicate_pairs_ = 0;
};

}  // namespace quarry
