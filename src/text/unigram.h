// The unigram language model of SentencePiece: the segmentation of greatest total score.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "quarry/status.h"

#include "text/model.h"
#include "text/prefix_trie.h"

namespace quarry::text {

struct UnigramOptions {
  std::optional<TokenId> unk;  // for characters without a token; a run of them is one
  bool byte_fallback = false;  // <0x00> ... <0xFF> for such a run, if all are there
  // Tokens that no text is encoded as (SentencePiece's control, unknown and byte pieces).
  std::vector<TokenId> unreachable;
  // Tokens that win over any segmentation of their text (SentencePiece's user-defined symbols).
  std::vector<TokenId> user_defined;
  // Add scores in float32, as the SentencePiece library does, not in float64.
  bool single_precision = false;
};

class UnigramModel final : public Model {
 public:
  // scores: natural logarithms, by id; [vocabulary.id_limit()].
  // Fails if an option names an id that is not in the vocabulary, or if scores are missing or not
  // finite.
  static Result<std::unique_ptr<UnigramModel>> Create(Vocabulary vocabulary,
                                                      std::vector<double> scores,
                                                      UnigramOptions options);

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::unique_ptr<PieceEncoder> NewEncoder(const TokenSet* forbidden) const override;

 private:
  friend class UnigramEncoder;
  UnigramModel() = default;
  Status Index();

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  UnigramOptions options_;
  PrefixTrie trie_;
  TokenSet unreachable_;
  TokenSet user_defined_;
  double unk_score_ = 0;
  double max_score_ = 0;
  std::array<TokenId, 256> byte_ids_{};
};

}  // namespace quarry::text
