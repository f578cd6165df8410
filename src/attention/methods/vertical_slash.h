// Vertical-slash selection (MInference, arXiv:2407.02490, section 3.2 and its index kernel): some
// key columns and some diagonals ("slashes") of a head, chosen by the attention of the prompt's
// last queries. The authors' code is the reference; symbols are those of
// docs/methods/minference.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/types.h"

#include "attention/estimate.h"

namespace quarry {

// Rows of a query block, and keys of the blocks that slashes become.
inline constexpr int64_t kSlashBlock = 64;
// Queries that estimate a selection.
inline constexpr int64_t kEstimateRows = 64;

struct LineCounts {
  int64_t columns = 0;    // [nv]
  int64_t distances = 0;  // [ns]
};

// What is taken of a requested size: at least 30 columns and 50 distances, at most `keys` of each.
LineCounts ClampLineCounts(int64_t vertical_size, int64_t slash_size, int64_t keys);

// Lines that are always taken, if there is room: the first columns and the nearest distances.
struct ForcedLines {
  int64_t columns = 30;
  int64_t distances = 100;
};

struct Lines {
  std::vector<TokenPos> columns;    // ascending
  std::vector<TokenPos> distances;  // descending
};

// The lines of most mass; equal mass: the lower column, the smaller distance.
Lines ChooseLines(const LineMass& mass, const LineCounts& counts, const ForcedLines& forced = {});

// Lines that keep at least `coverage` of the estimating queries' attention, as columns or as
// slashes, whichever takes fewer keys: nearest distances and first columns as above, and as many
// more of one kind as that takes. `rows`: queries of the estimate.
Lines ChooseLinesByCoverage(const LineMass& mass, int64_t rows, double coverage,
                            const ForcedLines& forced = {});

// Key ranges that the slashes cover for the query block of 64 rows that ends before `end`:
// ascending, disjoint, each a multiple of 64 long and anchored at the diagonal, not at multiples of
// 64; they may reach beyond `end`. REQUIRES: distances are descending.
void SlashRanges(std::span<const TokenPos> distances, TokenPos end, std::vector<TokenRange>& out);

}  // namespace quarry
