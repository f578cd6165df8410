#include "text/pieces.h"

#include <algorithm>

namespace quarry::text {
namespace {

// Joins each match to the stretch before it, unless that is a match as well.
void MergeWithPrevious(std::vector<Match>& matches) {
  size_t n = 0;
  bool previous_match = false;
  for (const Match& m : matches) {
    const bool is_match = m.is_match;
    if (is_match && !previous_match && n > 0) {
      matches[n - 1].end = m.end;
    } else {
      matches[n++] = m;
    }
    previous_match = is_match;
  }
  matches.resize(n);
}

void MergeWithNext(std::vector<Match>& matches) {
  std::vector<Match> merged;
  bool previous_match = false;
  for (size_t i = matches.size(); i-- > 0;) {
    const Match& m = matches[i];
    if (m.is_match && !previous_match && !merged.empty()) {
      merged.back().begin = m.begin;
    } else {
      merged.push_back(m);
    }
    previous_match = m.is_match;
  }
  std::reverse(merged.begin(), merged.end());
  matches.swap(merged);
}

void MergeContiguous(std::vector<Match>& matches) {
  size_t n = 0;
  bool previous_match = false;
  for (const Match& m : matches) {
    const bool is_match = m.is_match;
    if (is_match == previous_match && n > 0) {
      matches[n - 1].end = m.end;
    } else {
      matches[n++] = m;
    }
    previous_match = is_match;
  }
  matches.resize(n);
}

}  // namespace

void AppendSplit(const Piece& piece, SplitBehavior behavior, std::vector<Match>& matches,
                 std::vector<Piece>& out) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kMergedWithPrevious:
      MergeWithPrevious(matches);
      break;
    case SplitBehavior::kMergedWithNext:
      MergeWithNext(matches);
      break;
    case SplitBehavior::kContiguous:
      MergeContiguous(matches);
      break;
  }
  for (const Match& m : matches) {
    if (m.begin == m.end || (m.is_match && behavior == SplitBehavior::kRemoved)) continue;
    out.push_back(
        {piece.begin + m.begin, piece.begin + m.end, kNoToken, piece.at_start && m.begin == 0});
  }
  matches.clear();
}

}  // namespace quarry::text
