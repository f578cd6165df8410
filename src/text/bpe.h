// Byte-pair encoding over characters: of byte-level letters (GPT-2, Llama 3, Qwen) or of the text
// itself with bytes as fallback (SentencePiece: Llama 2, Mistral).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "text/bpe_merge.h"
#include "text/model.h"
#include "text/prefix_trie.h"

namespace quarry::text {

// Files with more merges are refused: each takes some 50 bytes.
inline constexpr size_t kMaxMerges = size_t{1} << 23;
// What stands before or behind a character when it is looked up is no longer than this: it may
// become tokens, byte by byte, for each character of a text.
inline constexpr size_t kMaxAffixBytes = 32;

// The merge of two tokens, as files list them: by text. The result is `left` followed by `right`
// without its first `prefix_bytes`, the model's continuing prefix. Fails if one of the three is not
// in the vocabulary.
Result<Merge> FindMerge(const Vocabulary& vocabulary, std::string_view left, std::string_view right,
                        uint32_t rank, size_t prefix_bytes = 0);

struct BpeOptions {
  std::optional<std::string> unk_token;  // for characters without a token; without it they are lost
  bool fuse_unk = false;                 // one unk_token for a run of such characters
  bool byte_fallback = false;            // <0x00> ... <0xFF> for such characters, if all are there
  bool ignore_merges = false;            // a piece that is a token is that token
  std::string continuing_prefix;         // before every character but the first when looked up
  std::string end_suffix;                // after the last character when looked up
  // Tokens that are found in the text before anything else, longest first, and never merge
  // (SentencePiece's user-defined symbols).
  std::vector<TokenId> user_defined;
};

class BpeModel final : public Model {
 public:
  // Fails if a merge or option names an id that is not in the vocabulary.
  static Result<std::unique_ptr<BpeModel>> Create(Vocabulary vocabulary,
                                                  const std::vector<Merge>& merges,
                                                  BpeOptions options);

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::unique_ptr<PieceEncoder> NewEncoder(const TokenSet* forbidden) const override;

 private:
  friend class BpeEncoder;
  // What is known about the text of a token: that it encodes to the token itself, or that not.
  enum class WholeWord : uint8_t { kUnknown, kYes, kNo };

  BpeModel(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options);
  Status Check(const std::vector<Merge>& merges) const;
  void IndexChars();
  void IndexBoundaries(const std::vector<Merge>& merges);
  TokenId FindChar(std::string_view bytes, char32_t c) const {
    return c < char_ids_.size() ? char_ids_[c] : vocabulary_.Find(bytes);
  }
  // False only if no token contains the two characters, side by side, as a product of merges.
  bool MayJoin(TokenId left, TokenId right) const {
    const size_t bit = JoinBit(left, right);
    return (joins_[bit / 64] >> (bit % 64) & 1) != 0;
  }
  static size_t JoinBit(TokenId left, TokenId right);

  Vocabulary vocabulary_;
  BpeOptions options_;
  MergeTable merges_;
  TokenId unk_ = Vocabulary::kNone;
  std::array<TokenId, 256> byte_ids_{};
  bool plain_ = true;              // no prefix, suffix or user-defined tokens
  size_t longest_token_ = 0;       // in bytes
  std::vector<TokenId> char_ids_;  // by code point, for the first 2048
  std::vector<uint64_t> joins_;    // a Bloom filter with one hash over pairs of characters
  PrefixTrie user_defined_;
  // Filled in as words are met. Every thread would write the same answer, so relaxed stores do.
  mutable std::vector<std::atomic<WholeWord>> whole_;
};

}  // namespace quarry::text
