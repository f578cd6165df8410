// The precompiled character map of SentencePiece models: a double-array trie from byte strings to
// replacements. Layout: u32 size of the trie in bytes, little endian; the trie, u32 units of the
// Darts-clone format; replacements, each ended by a zero byte, which trie values index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "text/normalizer.h"

namespace quarry::text {

class Charsmap {
 public:
  struct Hit {
    size_t length;  // of the matched prefix
    std::string_view replacement;
  };

  static Result<Charsmap> Parse(std::string_view bytes);

  // The shortest or longest key that begins `text`; nullopt if there is none.
  std::optional<Hit> Shortest(std::string_view text) const { return Search(text, true); }
  std::optional<Hit> Longest(std::string_view text) const { return Search(text, false); }

 private:
  std::optional<Hit> Search(std::string_view text, bool shortest) const;
  std::vector<uint32_t> units_;
  std::string replacements_;
};

// The map as the Hugging Face library applies it: to grapheme clusters of less than six bytes, else
// to single characters, and by the shortest key that begins them, which replaces the whole. (The
// SentencePiece library itself takes the longest key at each position; see sentencepiece.h.)
class PrecompiledNormalizer final : public Normalizer {
 public:
  explicit PrecompiledNormalizer(Charsmap map) : map_(std::move(map)) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  Charsmap map_;
};

}  // namespace quarry::text
