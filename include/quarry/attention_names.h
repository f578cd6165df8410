// The words of a configuration file for the choices that methods offer, in the order of the enums.
#pragma once

#include <span>
#include <string_view>

#include "quarry/attention_config.h"

namespace quarry {

namespace names {
inline constexpr std::string_view kCachePolicies[] = {"lru", "lru-s", "fifo"};
inline constexpr std::string_view kMasks[] = {"reference", "strict"};
inline constexpr std::string_view kQuestionModes[] = {"reference", "strict"};
inline constexpr std::string_view kSimilarities[] = {
    "dot", "cosine", "l2", "normalized_l2", "dot_minus_l2", "angular", "pearson"};
inline constexpr std::string_view kQuestSelections[] = {"kernel", "eval"};
inline constexpr std::string_view kQuestGroups[] = {"per-head", "mean", "max"};
inline constexpr std::string_view kPageBounds[] = {"keys", "int8"};
inline constexpr std::string_view kFlexRules[] = {"reference", "coverage"};
}  // namespace names

inline std::span<const std::string_view> NamesOf(CachePolicy) { return names::kCachePolicies; }
inline std::span<const std::string_view> NamesOf(WindowMask) { return names::kMasks; }
inline std::span<const std::string_view> NamesOf(QuestionMode) { return names::kQuestionModes; }
inline std::span<const std::string_view> NamesOf(BlockSimilarity) { return names::kSimilarities; }
inline std::span<const std::string_view> NamesOf(QuestSelection) { return names::kQuestSelections; }
inline std::span<const std::string_view> NamesOf(QuestGroup) { return names::kQuestGroups; }
inline std::span<const std::string_view> NamesOf(PageBoundsType) { return names::kPageBounds; }
inline std::span<const std::string_view> NamesOf(FlexSelectionRule) { return names::kFlexRules; }

template <typename Enum>
std::string_view NameOf(Enum value) {
  return NamesOf(value)[static_cast<size_t>(value)];
}

}  // namespace quarry
