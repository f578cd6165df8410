// How an execution block is cut into pieces of work: rows of the query heads of one KV head,
// stacked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "attention/plan.h"
#include "tensor/model_shape.h"

namespace quarry {

// Rows [row, row + rows) of the block, query heads [head, head + heads) of one KV head, stacked
// head by head.
struct Tile {
  int kv_head;
  int head;
  int heads;
  int row;
  int rows;
  size_t ids_begin, ids_end;  // of the tiling's list of segments

  int stack() const { return heads * rows; }
  IndexRange HeadsOf(const Segment& s) const {
    return {std::max(s.heads.begin, head), std::min(s.heads.end, head + heads)};
  }
  IndexRange RowsOf(const Segment& s) const {
    return {std::max(s.rows.begin, row), std::min(s.rows.end, row + rows)};
  }
  bool Meets(const Segment& s) const { return HeadsOf(s).size() > 0 && RowsOf(s).size() > 0; }
};

// Two ways: all heads of a group together, which read a key once for all of them; or, where every
// segment is one head's own, head by head, with the rows that segments share kept together.
class Tiling {
 public:
  void Cut(const AttentionPlan& plan, const ModelShape& shape, int n_rows);

  const std::vector<Tile>& tiles() const { return tiles_; }
  // Indices of the plan's segments that may meet the tile.
  std::span<const uint32_t> SegmentsOf(const Tile& t) const {
    return std::span(segment_ids_).subspan(t.ids_begin, t.ids_end - t.ids_begin);
  }
  // Tiles of a group: rows of each but the last, and how many tiles a KV head has.
  int tile_rows() const { return tile_rows_; }
  int row_tiles() const { return row_tiles_; }

 private:
  void CutGroups(const AttentionPlan& plan, const ModelShape& shape, int n_rows);
  void CutHeads(const AttentionPlan& plan, const ModelShape& shape, int n_rows);
  void AddHeadTile(const AttentionPlan& plan, int group, int head, int row, int rows,
                   std::span<const uint32_t> segments);
  void LongestFirst(const AttentionPlan& plan);

  std::vector<Tile> tiles_;
  std::vector<uint32_t> segment_ids_;
  int tile_rows_ = 0;
  int row_tiles_ = 0;
};

}  // namespace quarry
