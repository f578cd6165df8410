// What the stages of encoding hand on: a text cut into pieces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/types.h"

#include "text/regex.h"

namespace quarry::text {

inline constexpr TokenId kNoToken = -1;

struct Piece {
  size_t begin;
  size_t end;
  TokenId token = kNoToken;  // an added token that was found here; later stages leave it alone
  bool at_start = false;     // begins where the text given to Encode began
};

// Invariant: pieces are in order, lie inside `text` and are not empty. They need not cover it.
struct PieceList {
  std::string text;
  std::vector<Piece> pieces;

  std::string_view View(const Piece& p) const {
    return std::string_view(text).substr(p.begin, p.end - p.begin);
  }
};

// What becomes of the matches when a text is split at them.
enum class SplitBehavior {
  kRemoved,             // dropped
  kIsolated,            // a piece of their own
  kMergedWithPrevious,  // the end of the piece before
  kMergedWithNext,      // the beginning of the piece after
  kContiguous,          // isolated, but neighbouring matches are one piece
};

// Replaces the piece `piece` by its parts, appended to `out`; empty parts are dropped. `matches`
// cover the piece, with offsets from its beginning; they are used up.
void AppendSplit(const Piece& piece, SplitBehavior behavior, std::vector<Match>& matches,
                 std::vector<Piece>& out);

// Finds the characters for which `is_delimiter` holds, each a match of its own.
template <typename Predicate>
void MatchChars(std::string_view text, Predicate is_delimiter, std::vector<Match>& out);

}  // namespace quarry::text

#include "text/pieces.inl"
