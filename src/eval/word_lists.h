// Words for keys, names and coded lists: the engine's own, or those of a data folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quarry/status.h"

namespace quarry::eval {

// "adjective-noun", sorted by code point, each once; what RULER draws its key words from.
class WordPairs {
 public:
  // REQUIRES: neither list is empty or longer than 65536.
  WordPairs(std::vector<std::string> adjectives, std::vector<std::string> nouns);

  size_t size() const { return pairs_.size(); }
  std::string operator[](size_t i) const;

 private:
  std::vector<std::string> adjectives_;
  std::vector<std::string> nouns_;
  std::vector<std::pair<uint16_t, uint16_t>> pairs_;
};

struct WordLists {
  std::vector<std::string> nouns;
  std::vector<std::string> adjectives;
  std::vector<std::string> verbs;
};

WordLists BuiltInWords();
// nounlist.txt, adjectivelist.txt and verblist.txt of `folder`, one word a line.
Result<WordLists> LoadWords(const std::filesystem::path& folder);

// Names of cities and people, for needles and facts.
std::span<const std::string_view> Cities();
std::span<const std::string_view> Names();

}  // namespace quarry::eval
