#include "attention/tiling.h"

#include <numeric>

#include "base/checked_math.h"

namespace quarry {
namespace {

// Rows of a tile: with all heads of a group stacked, enough to share the widening of a key tile.
int TileRows(int group) { return group <= 4 ? 64 : group <= 8 ? 32 : 16; }

// Rows of one head at most where every head selects for itself.
constexpr int kHeadRows = 256;

// Scores are added up by tiles of a group.
bool EveryHeadAlone(const AttentionPlan& plan) {
  return std::all_of(plan.segments().begin(), plan.segments().end(),
                     [](const Segment& s) { return s.heads.size() == 1 && !s.want_scores; });
}

}  // namespace

void Tiling::Cut(const AttentionPlan& plan, const ModelShape& shape, int n_rows) {
  tiles_.clear();
  segment_ids_.clear();
  row_tiles_ = 0;
  if (EveryHeadAlone(plan)) {
    CutHeads(plan, shape, n_rows);
  } else {
    CutGroups(plan, shape, n_rows);
  }
}

void Tiling::CutGroups(const AttentionPlan& plan, const ModelShape& shape, int n_rows) {
  const int group = shape.group();
  tile_rows_ = TileRows(group);
  segment_ids_.resize(plan.segments().size());
  std::iota(segment_ids_.begin(), segment_ids_.end(), 0u);
  for (int row = 0; row < n_rows; row += tile_rows_) {
    for (int h = 0; h < shape.kv_heads; ++h) {
      tiles_.push_back(
          {h, h * group, group, row, std::min(tile_rows_, n_rows - row), 0, segment_ids_.size()});
    }
  }
  row_tiles_ = static_cast<int>(CeilDiv(n_rows, tile_rows_));
}

void Tiling::CutHeads(const AttentionPlan& plan, const ModelShape& shape, int n_rows) {
  std::vector<std::vector<uint32_t>> of_head(static_cast<size_t>(shape.heads));
  for (size_t s = 0; s < plan.segments().size(); ++s) {
    const int head = plan.segments()[s].heads.begin;
    of_head[static_cast<size_t>(head)].push_back(static_cast<uint32_t>(s));
  }
  std::vector<IndexRange> rows;
  for (int h = 0; h < shape.heads; ++h) {
    const std::vector<uint32_t>& segments = of_head[static_cast<size_t>(h)];
    rows.clear();
    for (uint32_t s : segments) rows.push_back(plan.segments()[s].rows);
    std::sort(rows.begin(), rows.end(),
              [](const IndexRange& a, const IndexRange& b) { return a.begin < b.begin; });
    int row = 0;
    const auto cut_until = [&](int end) {
      for (; row < end; row = std::min(end, row + kHeadRows)) {
        AddHeadTile(plan, shape.group(), h, row, std::min(kHeadRows, end - row), segments);
      }
    };
    for (size_t i = 0; i < rows.size();) {
      IndexRange shared = rows[i];
      while (++i < rows.size() && rows[i].begin < shared.end) {
        shared.end = std::max(shared.end, rows[i].end);
      }
      cut_until(shared.begin);
      cut_until(shared.end);
    }
    cut_until(n_rows);
  }
  LongestFirst(plan);
}

void Tiling::AddHeadTile(const AttentionPlan& plan, int group, int head, int row, int rows,
                         std::span<const uint32_t> segments) {
  Tile tile = {head / group, head, 1, row, rows, segment_ids_.size(), 0};
  for (uint32_t s : segments) {
    if (tile.Meets(plan.segments()[s])) segment_ids_.push_back(s);
  }
  tile.ids_end = segment_ids_.size();
  tiles_.push_back(tile);
}

// Threads then finish together.
void Tiling::LongestFirst(const AttentionPlan& plan) {
  std::vector<int64_t> pairs(tiles_.size());
  std::vector<uint32_t> order(tiles_.size());
  std::iota(order.begin(), order.end(), 0u);
  for (size_t t = 0; t < pairs.size(); ++t) {
    for (uint32_t s : SegmentsOf(tiles_[t])) {
      const Segment& segment = plan.segments()[s];
      pairs[t] += plan.KeyCount(segment) * tiles_[t].RowsOf(segment).size();
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return pairs[a] > pairs[b]; });
  std::vector<Tile> sorted;
  sorted.reserve(order.size());
  for (uint32_t t : order) sorted.push_back(tiles_[t]);
  tiles_ = std::move(sorted);
}

}  // namespace quarry
