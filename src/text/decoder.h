// Decoders: turn the texts of tokens into text, at once or token by token.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "text/replacement.h"

namespace quarry::text {

// One decoder at work on one stream of tokens.
class DecoderStream {
 public:
  virtual ~DecoderStream() = default;
  // Takes the next token; appends to `out` what is final.
  virtual Status Add(std::string token, std::vector<std::string>& out) = 0;
  // The stream has ended: appends what was held back.
  virtual Status Finish(std::vector<std::string>& out) = 0;
};

// Immutable; safe to use from any number of threads. A decoder maps a list of texts to a list of
// texts; the last one's are joined.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual Status Decode(std::vector<std::string>& tokens) const = 0;

  // A stream that yields, joined, what Decode yields joined, as early as it is certain; for
  // exceptions see the decoder.
  virtual std::unique_ptr<DecoderStream> NewStream() const = 0;
  // The same for a stream whose tokens are fragments of one token. By default nothing comes out
  // before the end.
  virtual std::unique_ptr<DecoderStream> NewFragmentStream() const;
  // Whether the output is a single token, whatever comes in.
  virtual bool joins() const { return false; }
};

// A decoder that treats each token by itself. `is_first` tells the first token of the stream.
class TokenwiseDecoder : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens) const final;
  std::unique_ptr<DecoderStream> NewStream() const final;

  virtual Status DecodeToken(bool is_first, std::string& token) const = 0;
};

// Byte-level letters back to bytes; bytes that are not UTF-8 become U+FFFD, one for each maximal
// invalid part.
class ByteLevelDecoder final : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens) const override;
  std::unique_ptr<DecoderStream> NewStream() const override;
  bool joins() const override { return true; }
};

// Tokens <0x00> ... <0xFF> to bytes. A run of them that is not UTF-8 as a whole becomes one U+FFFD
// for each. A stream does not wait for the end of a run: it yields characters as they are complete,
// and if the run turns out not to be UTF-8, only what follows becomes U+FFFD.
class ByteFallbackDecoder final : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens) const override;
  std::unique_ptr<DecoderStream> NewStream() const override;
};

// Joins all tokens into one.
class FuseDecoder final : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens) const override;
  std::unique_ptr<DecoderStream> NewStream() const override;
  std::unique_ptr<DecoderStream> NewFragmentStream() const override { return NewStream(); }
  bool joins() const override { return true; }
};

// Drops up to `start` times `content`, one character, from the beginning of each token and up to
// `stop` times from its end.
class StripDecoder final : public TokenwiseDecoder {
 public:
  StripDecoder(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  Status DecodeToken(bool is_first, std::string& token) const override;
  std::unique_ptr<DecoderStream> NewFragmentStream() const override;

 private:
  std::string content_;
  size_t start_, stop_;
};

class ReplaceDecoder final : public TokenwiseDecoder {
 public:
  explicit ReplaceDecoder(Replacement replacement) : replacement_(std::move(replacement)) {}
  Status DecodeToken(bool is_first, std::string& token) const override;

 private:
  Replacement replacement_;
};

// Blanks for SentencePiece's mark; in the first token, with `drop_first`, the mark is dropped.
class MetaspaceDecoder final : public TokenwiseDecoder {
 public:
  MetaspaceDecoder(std::string mark, bool drop_first)
      : mark_(std::move(mark)), drop_first_(drop_first) {}
  Status DecodeToken(bool is_first, std::string& token) const override;

 private:
  std::string mark_;
  bool drop_first_;
};

// A blank before every token but the first, unless it begins with `prefix`, which is dropped;
// `cleanup` joins punctuation and English contractions to what stands before.
class WordPieceDecoder final : public TokenwiseDecoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  Status DecodeToken(bool is_first, std::string& token) const override;

 private:
  std::string prefix_;
  bool cleanup_;
};

// A blank for the end-of-word suffix, nothing for that of the last token.
class BpeSuffixDecoder final : public Decoder {
 public:
  explicit BpeSuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  Status Decode(std::vector<std::string>& tokens) const override;
  std::unique_ptr<DecoderStream> NewStream() const override;

 private:
  std::string suffix_;
};

// A blank between any two tokens: what tokenizers without a decoder do.
class SpacedDecoder final : public TokenwiseDecoder {
 public:
  Status DecodeToken(bool is_first, std::string& token) const override;
};

class DecoderSequence final : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> parts)
      : parts_(std::move(parts)) {}
  Status Decode(std::vector<std::string>& tokens) const override;
  std::unique_ptr<DecoderStream> NewStream() const override;
  bool joins() const override;

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
};

}  // namespace quarry::text
