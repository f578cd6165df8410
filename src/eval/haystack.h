// The text that needles are hidden in: a book or essays from a file, or generated prose.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "quarry/status.h"

namespace quarry::eval {

class Haystack {
 public:
  // A text file; a .jsonl file, whose lines have a "text"; or a .json file with one, as RULER's
  // PaulGrahamEssays.json. Bytes that are not UTF-8 become U+FFFD.
  static Result<Haystack> Load(const std::filesystem::path& path);
  // Plain sentences about people and places. The same seed gives the same text.
  static Haystack Generated(uint64_t seed, size_t min_bytes);

  const std::string& text() const { return text_; }
  const std::string& name() const { return name_; }  // "pride_and_prejudice.txt", "generated"
  const std::string& fingerprint() const { return fingerprint_; }

  // Its white-space-separated words, from the start and over again until there are `n`.
  std::vector<std::string> Words(size_t n) const;

 private:
  Haystack(std::string text, std::string name);
  std::string text_;
  std::string name_;
  std::string fingerprint_;
};

// `path` if it is not empty. Otherwise the bundled novel, data/pride_and_prejudice.txt, in the
// first of `roots` that has it or share/quarry/pride_and_prejudice.txt; else generated text of the
// size of a novel.
Result<Haystack> FindHaystack(const std::filesystem::path& path,
                              std::span<const std::filesystem::path> roots);

// The texts of a file as above: the lines of .jsonl, otherwise one. Not empty; at most `limit`.
Result<std::vector<std::string>> LoadTexts(const std::filesystem::path& path, size_t limit);

}  // namespace quarry::eval
