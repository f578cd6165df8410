// Text <-> token ids, as the tokenizer.json or tokenizer.model of a published model defines it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

namespace quarry {

namespace text {
class Pipeline;
}

struct EncodeOptions {
  // Put the special tokens around the text that the tokenizer asks for, usually a begin token.
  // Off for the output of a chat template, which writes them itself.
  bool add_special_tokens = true;
  // Read text that spells a special token ("<|im_start|>") as that token. When off, no text is ever
  // encoded as a special token: right for text from outside. Added tokens that are not marked
  // special in the file (some models' "<think>") are text like any other and found either way.
  bool parse_special = true;
};

struct DecodeOptions {
  bool skip_special = false;  // leave special tokens out
};

// A tokenizer. Copies share one immutable state; every method may be called from any number of
// threads at once. Each error is one line that names the file or the part at fault.
class Tokenizer {
 public:
  // `path`: a model folder, whose tokenizer.json is read, or tokenizer.model if there is none; or
  // one of these files, or a GGUF file. A tokenizer_config.json beside it tells the begin and end
  // token.
  static Result<Tokenizer> Load(const std::filesystem::path& path);
  // The contents of a tokenizer.json; `config` those of a tokenizer_config.json, or empty.
  static Result<Tokenizer> FromJson(std::string_view json, std::string_view config = {});
  // From parts; see src/text/pipeline.h.
  explicit Tokenizer(std::shared_ptr<const text::Pipeline> pipeline);

  // Bytes that are not UTF-8 are read as U+FFFD, one for each maximal invalid part. The empty text
  // has no ids but those that add_special_tokens puts there.
  // Fails on more than 256 MiB of text; on a character for which the tokenizer has neither token
  // nor substitute, if its model makes that an error; and if one of its expressions does not end
  // within its limits.
  Result<std::vector<TokenId>> Encode(std::string_view text,
                                      const EncodeOptions& options = {}) const;

  // Ids that are no token (models may have more logits than tokens) stand for nothing. The text is
  // valid UTF-8: bytes that are not become U+FFFD as the tokenizer's decoder has it.
  Result<std::string> Decode(std::span<const TokenId> ids, const DecodeOptions& options = {}) const;

  // The largest id + 1. Ids below it may be unused.
  size_t vocab_size() const;
  std::optional<TokenId> TokenToId(std::string_view token) const;
  // The token as the file spells it (byte-level letters, U+2581 for a blank); nullopt if `id` is
  // none.
  std::optional<std::string> IdToToken(TokenId id) const;
  // Whether the file marks the token as special: begin, end, roles of a chat.
  bool is_special(TokenId id) const;
  // Whether it is an added token: looked for in a text before it is cut into words. Special ones
  // are, others may be.
  bool is_added(TokenId id) const;
  // As tokenizer_config.json or tokenizer.model tells; nullopt if neither does.
  std::optional<TokenId> bos_id() const;
  std::optional<TokenId> eos_id() const;

 private:
  friend class Detokenizer;
  std::shared_ptr<const text::Pipeline> pipeline_;
};

// Decodes one stream of tokens as they come. Keeps what it needs of the tokenizer alive. One thread
// at a time.
//
// All that Add and Flush return, joined, is what Tokenizer::Decode makes of all ids, with one
// exception: where a tokenizer with byte tokens (<0x00>...) gets whole characters and then invalid
// bytes in one run of them, Decode turns the whole run into U+FFFD; here the characters are out.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, const DecodeOptions& options = {});
  Detokenizer(Detokenizer&&) noexcept;
  Detokenizer& operator=(Detokenizer&&) noexcept;
  ~Detokenizer();

  // The text that `id` makes final, often empty: whole characters, and U+FFFD only where no later
  // token can complete a character. Fails only if an expression of the decoder does not end within
  // its limits; the stream is then of no more use.
  Result<std::string> Add(TokenId id);
  // The stream has ended: what was held back. The next Add begins a new stream.
  Result<std::string> Flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quarry
