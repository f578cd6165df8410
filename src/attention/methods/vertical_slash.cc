#include "attention/methods/vertical_slash.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "attention/select_top.h"

namespace quarry {
namespace {

constexpr int64_t kLeastColumns = 30;
constexpr int64_t kLeastDistances = 50;

std::vector<TokenPos> TakeTop(const std::vector<float>& mass, int64_t count, int64_t forced) {
  std::vector<float> score = mass;
  const auto n = std::min<size_t>(score.size(), static_cast<size_t>(forced));
  std::fill_n(score.begin(), n, std::numeric_limits<float>::infinity());
  std::vector<int32_t> top;
  TopIndices(score, count, top);
  return {top.begin(), top.end()};
}

// Keys that the last row block attends, its columns counted whole.
int64_t LastRowCost(const Lines& lines, TokenPos end) {
  std::vector<TokenRange> ranges;
  SlashRanges(lines.distances, end, ranges);
  auto n = static_cast<int64_t>(lines.columns.size());
  for (const TokenRange& r : ranges) n += r.size();
  return n;
}

double Sum(std::span<const float> x) { return std::accumulate(x.begin(), x.end(), 0.0); }

}  // namespace

LineCounts ClampLineCounts(int64_t vertical_size, int64_t slash_size, int64_t keys) {
  return {std::min(keys, std::max(vertical_size, kLeastColumns)),
          std::min(keys, std::max(slash_size, kLeastDistances))};
}

Lines ChooseLines(const LineMass& mass, const LineCounts& counts, const ForcedLines& forced) {
  Lines lines = {TakeTop(mass.column, counts.columns, forced.columns),
                 TakeTop(mass.distance, counts.distances, forced.distances)};
  std::reverse(lines.distances.begin(), lines.distances.end());
  return lines;
}

Lines ChooseLinesByCoverage(const LineMass& mass, int64_t rows, double coverage,
                            const ForcedLines& forced) {
  const auto keys = static_cast<int64_t>(mass.column.size());
  const LineCounts least = {std::min(keys, forced.columns), std::min(keys, forced.distances)};
  // Columns that are local to some estimating query say nothing about other queries.
  const auto far_keys = static_cast<size_t>(std::max<int64_t>(0, keys - rows - forced.distances));
  LineMass far = mass;
  std::fill(far.column.begin() + static_cast<ptrdiff_t>(far_keys), far.column.end(), 0.0f);
  const std::span<const float> far_distances =
      std::span(mass.distance).subspan(static_cast<size_t>(least.distances));

  // What the nearest distances leave, less what may be missed.
  const double wanted = Sum(far_distances) - (1 - coverage) * static_cast<double>(rows);
  const auto by_distances = [&] {
    return ChooseLines(
        far,
        {least.columns, std::min(keys, CountToReach(far_distances, wanted) + forced.distances)},
        forced);
  };
  if (Sum(far.column) < wanted) return by_distances();
  Lines vertical = ChooseLines(
      far, {std::min(keys, CountToReach(far.column, wanted) + forced.columns), least.distances},
      forced);
  Lines slash = by_distances();
  return LastRowCost(vertical, keys) <= LastRowCost(slash, keys) ? vertical : slash;
}

void SlashRanges(std::span<const TokenPos> distances, TokenPos end, std::vector<TokenRange>& out) {
  out.clear();
  for (TokenPos d : distances) {
    if (d >= end) continue;
    const TokenPos stop = std::max(end - d, kSlashBlock);
    if (out.empty() || stop > out.back().end + kSlashBlock) {
      out.push_back({stop - kSlashBlock, stop});
    } else if (stop > out.back().end) {
      out.back().end += kSlashBlock;
    }
  }
}

}  // namespace quarry
