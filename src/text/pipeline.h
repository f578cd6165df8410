// A whole tokenizer: the stages of encoding and decoding, put together from parts.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"
#include "quarry/tokenizer.h"
#include "quarry/types.h"

#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"

namespace quarry::text {

// What a reader of tokenizer files delivers. Only the model is needed.
struct TokenizerParts {
  std::unique_ptr<const Model> model;
  std::unique_ptr<const Normalizer> normalizer;
  std::unique_ptr<const PreTokenizer> pre_tokenizer;
  std::unique_ptr<const PostProcessor> post_processor;
  std::unique_ptr<const Decoder> decoder;  // null: blanks between tokens
  std::vector<AddedToken> added_tokens;    // with their ids
  std::optional<std::string> bos_token, eos_token;
};

// Immutable; safe to use from any number of threads.
class Pipeline {
 public:
  static Result<std::shared_ptr<const Pipeline>> Create(TokenizerParts parts);

  Result<std::vector<TokenId>> Encode(std::string_view text, const EncodeOptions& options) const;
  Result<std::string> Decode(std::span<const TokenId> ids, bool skip_special) const;
  const Decoder& decoder() const { return *parts_.decoder; }

  size_t id_limit() const { return id_limit_; }  // largest id + 1
  std::optional<TokenId> TokenToId(std::string_view token) const;
  // nullopt if no token has this id.
  std::optional<std::string_view> IdToToken(TokenId id) const;
  bool is_special(TokenId id) const { return added_.specials().Contains(id); }
  bool is_added(TokenId id) const { return added_.Find(id) != nullptr; }
  // Whether decoding without special tokens leaves this one out.
  bool is_skipped(TokenId id) const { return added_.skipped().Contains(id); }
  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }

  // The first stages alone, for tests: the whole text normalised, and cut into pieces; added tokens
  // are not looked for.
  Result<std::string> Normalize(std::string_view text) const;
  Result<std::vector<std::string>> PreTokenize(std::string_view text) const;

 private:
  explicit Pipeline(TokenizerParts parts) : parts_(std::move(parts)) {}
  // Encodes text between added tokens; `at_start` if nothing stands before it. `bytes` counts what
  // the stages made of all such texts.
  Status EncodeText(std::string_view text, bool at_start, bool parse_special, PieceEncoder& encoder,
                    size_t& bytes, std::vector<TokenId>& out) const;

  TokenizerParts parts_;
  AddedVocabulary added_;
  size_t id_limit_ = 0;
  std::optional<TokenId> bos_, eos_;
};

}  // namespace quarry::text
