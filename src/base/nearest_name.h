// Suggestions for misspelt names: "unknown key \"tokp\", did you mean \"topk\"?".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace quarry {

// The fewest edits that turn `a` into `b`: insert, delete or replace a byte, or swap two neighbours
// (optimal string alignment). ASCII case does not count, and '-' is the same as '_'. Cost |a| *
// |b|.
int EditDistance(std::string_view a, std::string_view b);

// The candidate at the smallest edit distance from `word`, the first of several. Empty if every
// candidate needs more edits than half the longer word has bytes, or if `word` has more than 64.
std::string_view NearestName(std::string_view word, std::span<const std::string_view> candidates);

// What to append to "unknown thing \"word\"": `, did you mean "topk"?`, or if nothing is near
// `, must be one of a, b, c`.
std::string Suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace quarry
