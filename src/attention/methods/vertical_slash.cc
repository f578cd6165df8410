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

LineCounts CountLines(const LineMass& mass, int64_t rows, double coverage,
                      const ForcedLines& forced) {
  const auto keys = static_cast<int64_t>(mass.column.size());
  const LineCounts least = {std::min(keys, forced.columns), std::min(keys, forced.distances)};
  // Columns that are local to some estimating query say nothing about other queries.
  const int64_t far_keys = std::max<int64_t>(0, keys - rows - forced.distances);
  const auto near = static_cast<size_t>(least.distances);
  const std::span<const float> far_columns(mass.column.data(), static_cast<size_t>(far_keys));
  const std::span<const float> far_distances = std::span(mass.distance).subspan(near);
  const double allowed = (1 - coverage) * static_cast<double>(rows);

  const double by_columns = Sum(far_columns) - allowed;
  const double by_distances = Sum(far_distances) - allowed;
  const int64_t columns = CountToReach(far_columns, by_columns);
  const int64_t distances = CountToReach(far_distances, by_distances);
  const LineCounts vertical = {std::min(keys, columns + forced.columns), least.distances};
  const LineCounts slash = {least.columns, std::min(keys, distances + forced.distances)};

  const auto cost = [&](const LineCounts& counts) {
    std::vector<TokenRange> ranges;
    SlashRanges(ChooseLines(mass, counts, forced).distances, keys, ranges);
    int64_t n = counts.columns;
    for (const TokenRange& r : ranges) n += r.size();
    return n;
  };
  return cost(vertical) <= cost(slash) ? vertical : slash;
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
