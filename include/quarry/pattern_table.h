// Which sparse pattern each attention head follows: MInference's "best pattern" files (Jiang et
// al., arXiv:2407.02490), read and written in the original JSON form:
//
//   [ {"0": ["vertical_and_slash", 1000, 6096, 336], "1": [...]},     layer 0
//     {"0": ["stream_llm", 100, 800, 0.97]} ]                         layer 1
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry {

enum class HeadPatternType {
  kVerticalSlash,  // "vertical_and_slash": first = vertical_size, second = slash_size
  kAShape,         // "stream_llm": first = n_init, second = n_local
  kBlockSparse,    // "block_sparse": both are carried along and not used
};

struct HeadPattern {
  HeadPatternType type = HeadPatternType::kVerticalSlash;
  int64_t first = 1000;
  int64_t second = 6096;
  // Of the search that chose it: a recall (number with a fraction) or a count of deviations.
  double score = 1;
  bool score_is_count = true;

  friend bool operator==(const HeadPattern&, const HeadPattern&) = default;
};

struct PatternTable {
  std::string name;  // of the file, for messages
  // [layer]: by query head. Heads that are absent take a default.
  std::vector<std::map<int, HeadPattern>> layers;

  // One more than the largest head index of any layer.
  int heads() const;
};

std::string_view HeadPatternTypeName(HeadPatternType type);  // as in the file

// Refuses, naming file, layer and head: another form, an unknown type, sizes that are no integers
// between 0 and 2^30, an n_local of 0, a score that is no number.
Result<PatternTable> ParsePatternTable(std::string_view json, std::string_view name);
Result<PatternTable> ReadPatternTable(const std::filesystem::path& path);

// The original's JSON, indented by 2; ParsePatternTable gives the same table back.
std::string FormatPatternTable(const PatternTable& table);
// Replaces the file in one step: a reader sees the old one or the new one.
Status WritePatternTable(const std::filesystem::path& path, const PatternTable& table);

}  // namespace quarry
