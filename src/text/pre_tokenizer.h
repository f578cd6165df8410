// Pre-tokenizers: cut a normalised text into the pieces that the model encodes one by one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "text/pieces.h"
#include "text/replacement.h"

namespace quarry::text {

// Immutable; safe to use from any number of threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Splits or rewrites the pieces of `list` that are not tokens.
  virtual Status Apply(PieceList& list) const = 0;
};

// Splits at a string or at the matches of an expression; `invert` swaps matches and gaps.
class SplitPreTokenizer final : public PreTokenizer {
 public:
  SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  Status Apply(PieceList& list) const override;

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Splits at characters of a kind.
class CharPreTokenizer final : public PreTokenizer {
 public:
  using Predicate = bool (*)(char32_t);
  CharPreTokenizer(Predicate is_delimiter, SplitBehavior behavior)
      : is_delimiter_(is_delimiter), behavior_(behavior) {}
  Status Apply(PieceList& list) const override;

 private:
  Predicate is_delimiter_;
  SplitBehavior behavior_;
};

// Runs of word characters, and runs of what is neither word character nor white space; white space
// is dropped.
class WordPreTokenizer final : public PreTokenizer {
 public:
  Status Apply(PieceList& list) const override;
};

// Pieces of a fixed number of characters; the last may be shorter.
class FixedLengthPreTokenizer final : public PreTokenizer {
 public:
  // REQUIRES: length > 0.
  explicit FixedLengthPreTokenizer(size_t length) : length_(length) {}
  Status Apply(PieceList& list) const override;

 private:
  size_t length_;
};

// SentencePiece's marking of blanks: every U+0020 becomes `replacement`, a piece may get one in
// front, and pieces are split before each.
class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  enum class Prepend {
    kAlways,  // to every piece that does not begin with one
    kFirst,   // only to the piece at the very beginning of the text
    kNever,
  };
  MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}
  Status Apply(PieceList& list) const override;

 private:
  std::string replacement_;
  Prepend prepend_;
  bool split_;
};

// Splits by an expression, if there is one, and writes the pieces in the byte-level alphabet.
class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  // With add_prefix_space a piece that does not begin with a blank gets one.
  ByteLevelPreTokenizer(bool add_prefix_space, std::unique_ptr<SplitPreTokenizer> split)
      : add_prefix_space_(add_prefix_space), split_(std::move(split)) {}
  Status Apply(PieceList& list) const override;

 private:
  bool add_prefix_space_;
  std::unique_ptr<SplitPreTokenizer> split_;
};

// GPT-2's expression, which ByteLevel uses by itself.
Result<std::unique_ptr<SplitPreTokenizer>> MakeGpt2Split();

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {}
  Status Apply(PieceList& list) const override;

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

}  // namespace quarry::text
