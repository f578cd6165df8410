// Added tokens: strings that are found in the text before the model sees it.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "text/model.h"
#include "text/normalizer.h"
#include "text/pieces.h"
#include "text/prefix_trie.h"

namespace quarry::text {

struct AddedToken {
  std::string content;
  TokenId id = kNoToken;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes white space before it along
  bool rstrip = false;       // takes white space after it along
  bool normalized = false;   // normalised itself, and looked for in the normalised text
  bool special = false;  // control token: dropped by skip_special, not parsed without parse_special
};

// Immutable; safe to use from any number of threads.
class AddedVocabulary {
 public:
  AddedVocabulary() = default;
  // Of tokens with equal content the last one's flags count; it is special if any of them is.
  // `normalizer` may be null.
  static Result<AddedVocabulary> Create(std::vector<AddedToken> tokens,
                                        const Normalizer* normalizer);

  // Cuts `text` into added tokens and what lies between them, in order, appended to `out` with
  // offsets into `text`. Finds the longest token at the leftmost place. `normalized` tells which
  // tokens to look for; without `parse_special` only those that are not special.
  void Split(std::string_view text, bool normalized, bool parse_special,
             std::vector<Piece>& out) const;

  // nullptr if it is no added token.
  const AddedToken* Find(std::string_view content) const;
  const AddedToken* Find(TokenId id) const;
  // What the token is decoded as: its content, normalised if the token is. nullopt as above.
  std::optional<std::string_view> Text(TokenId id) const;
  const TokenSet& specials() const { return specials_; }
  // Tokens that skip_special drops: those decoded as the content of a special token. (A special
  // token that normalisation changes is therefore kept: the reference does so.)
  const TokenSet& skipped() const { return skipped_; }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  struct Matcher {
    PrefixTrie special;  // values: index into tokens_
    PrefixTrie other;
  };
  // The token that begins `text`, nullptr if none does; its length there in `length`.
  const AddedToken* Longest(const Matcher& matcher, std::string_view text, bool parse_special,
                            size_t& length) const;

  static std::vector<AddedToken> WithoutRepeats(std::vector<AddedToken> tokens);

  std::vector<AddedToken> tokens_;
  std::vector<std::string> texts_;  // parallel to tokens_
  // Ordered: the keys come from outside and could be chosen to share a hash.
  std::map<std::string, size_t, std::less<>> by_content_;
  std::unordered_map<TokenId, size_t> by_id_;
  TokenSet specials_;
  TokenSet skipped_;
  std::array<Matcher, 2> matchers_;  // for raw and for normalised text
};

}  // namespace quarry::text
