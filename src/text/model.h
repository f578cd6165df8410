// What every tokenizer model offers: a vocabulary, and the encoding of one piece of text.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "text/vocabulary.h"

namespace quarry::text {

// A set of token ids.
class TokenSet {
 public:
  void Insert(TokenId id) {
    const auto i = static_cast<size_t>(id);
    if (i >= bits_.size()) bits_.resize(i + 1);
    bits_[i] = true;
  }
  bool Contains(TokenId id) const {
    const auto i = static_cast<size_t>(id);
    return i < bits_.size() && bits_[i];
  }

 private:
  std::vector<bool> bits_;
};

// Encodes pieces one after the other for one caller; holds scratch memory.
class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;
  // Appends the ids of `piece`. REQUIRES: valid UTF-8, not empty, less than 2^31 bytes.
  virtual Status Encode(std::string_view piece, std::vector<TokenId>& out) = 0;
};

// Immutable to its callers; safe to use from any number of threads.
class Model {
 public:
  virtual ~Model() = default;
  virtual const Vocabulary& vocabulary() const = 0;
  // With `forbidden` no text is encoded as one of those ids, even if it spells the token; what
  // stands for the unknown is exempt. The model and `forbidden` must outlive the encoder.
  virtual std::unique_ptr<PieceEncoder> NewEncoder(const TokenSet* forbidden) const = 0;
};

}  // namespace quarry::text
