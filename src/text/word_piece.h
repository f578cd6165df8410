// The models of the BERT family: longest match first (WordPiece), and whole words only (WordLevel).
#pragma once

#include <memory>
#include <string>

#include "quarry/status.h"

#include "text/model.h"
#include "text/prefix_trie.h"

namespace quarry::text {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_prefix = "##";  // before all but the first token of a word
  size_t max_chars_per_word = 100;       // longer words are unknown
};

class WordPieceModel final : public Model {
 public:
  // Fails if the unknown token is not in the vocabulary, or a token is longer than kMaxTokenBytes.
  static Result<std::unique_ptr<WordPieceModel>> Create(Vocabulary vocabulary,
                                                        WordPieceOptions options);
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::unique_ptr<PieceEncoder> NewEncoder(const TokenSet* forbidden) const override;

 private:
  friend class WordPieceEncoder;
  WordPieceModel(Vocabulary vocabulary, WordPieceOptions options)
      : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {}
  Vocabulary vocabulary_;
  WordPieceOptions options_;
  TokenId unk_ = Vocabulary::kNone;
  PrefixTrie first_, later_;  // tokens by their text; those with the prefix, without it
};

class WordLevelModel final : public Model {
 public:
  WordLevelModel(Vocabulary vocabulary, const std::string& unk_token)
      : vocabulary_(std::move(vocabulary)), unk_(vocabulary_.Find(unk_token)) {}
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::unique_ptr<PieceEncoder> NewEncoder(const TokenSet* forbidden) const override;

 private:
  friend class WordLevelEncoder;
  Vocabulary vocabulary_;
  TokenId unk_;
};

}  // namespace quarry::text
