// Tokenizers from SentencePiece models. Ids are those of the SentencePiece library; what differs:
//   - pieces of type UNUSED are never produced, not even on the way to others;
//   - control pieces are recognised in the text when special tokens are parsed, and each stretch of
//     text between them is treated as a text of its own (so each gets the dummy prefix);
//   - decoding prints control and unknown pieces by name, unless special tokens are left out.
#pragma once

#include <string>
#include <string_view>

#include "quarry/status.h"

#include "text/charsmap.h"
#include "text/normalizer.h"
#include "text/pipeline.h"
#include "text/prefix_trie.h"
#include "text/sentencepiece_proto.h"
#include "text/tokenizer_json.h"

namespace quarry::text {

// SentencePiece's normalisation: the character map by longest match, runs of blanks, the dummy
// prefix, U+2581 for blanks.
class SentencePieceNormalizer final : public Normalizer {
 public:
  // `user_defined` are symbols that the character map leaves alone.
  SentencePieceNormalizer(const SentencePieceFile& file, std::optional<Charsmap> map,
                          PrefixTrie user_defined);
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  // What becomes of the beginning of `text`, and how many bytes of it.
  std::pair<std::string_view, size_t> NextPrefix(std::string_view text) const;

  std::optional<Charsmap> map_;
  PrefixTrie user_defined_;
  bool add_dummy_prefix_, remove_extra_whitespaces_;
  std::string space_;  // what stands for a blank
};

// add_bos_token and add_eos_token of `config` tell what is put around a text; without them, a begin
// token is if the model has one, an end token is not. added_tokens of `config` are taken over.
Result<TokenizerParts> MakeSentencePieceParts(const SentencePieceFile& file,
                                              const TokenizerConfig& config);

// The contents of a tokenizer.model.
Result<TokenizerParts> ParseSentencePiece(std::string_view bytes, const TokenizerConfig& config);

}  // namespace quarry::text
