#include "text/decoder_stream.h"

#include <utility>

#include "base/utf8.h"
#include "text/byte_level.h"

namespace quarry::text {
namespace {

class TokenwiseStream final : public DecoderStream {
 public:
  explicit TokenwiseStream(const TokenwiseDecoder& decoder) : decoder_(decoder) {}
  Status Add(std::string token, std::vector<std::string>& out) override {
    if (Status s = decoder_.DecodeToken(std::exchange(first_, false), token); !s.ok()) return s;
    bytes_ += token.size();
    if (Status s = CheckStageBytes(bytes_); !s.ok()) return s;
    out.push_back(std::move(token));
    return OkStatus();
  }
  Status Finish(std::vector<std::string>&) override { return OkStatus(); }

 private:
  const TokenwiseDecoder& decoder_;
  bool first_ = true;
  size_t bytes_ = 0;  // of all tokens
};

class CollectingStream final : public DecoderStream {
 public:
  explicit CollectingStream(const Decoder& decoder) : decoder_(decoder) {}
  Status Add(std::string token, std::vector<std::string>&) override {
    any_ = true;
    all_ += token;
    return OkStatus();
  }
  Status Finish(std::vector<std::string>& out) override {
    if (!any_) return OkStatus();
    std::vector<std::string> tokens = {std::move(all_)};
    if (Status s = decoder_.Decode(tokens); !s.ok()) return s;
    for (std::string& t : tokens) out.push_back(std::move(t));
    return OkStatus();
  }

 private:
  const Decoder& decoder_;
  std::string all_;
  bool any_ = false;
};

class ByteLevelStream final : public DecoderStream {
 public:
  Status Add(std::string token, std::vector<std::string>& out) override {
    AppendTokenBytes(token, pending_);
    const size_t complete = CompleteUtf8Prefix(pending_);
    out.push_back(ReplaceInvalidUtf8(std::string_view(pending_).substr(0, complete)));
    pending_.erase(0, complete);
    return OkStatus();
  }
  Status Finish(std::vector<std::string>& out) override {
    out.push_back(ReplaceInvalidUtf8(std::exchange(pending_, {})));
    return OkStatus();
  }

 private:
  std::string pending_;  // the beginning of a character
};

class ByteFallbackStream final : public DecoderStream {
 public:
  Status Add(std::string token, std::vector<std::string>& out) override {
    const std::optional<char> byte = ByteOf(token);
    if (!byte) {
      EndRun(out);
      out.push_back(std::move(token));
      return OkStatus();
    }
    pending_ += *byte;
    if (!broken_ && CompleteUtf8Prefix(pending_) == 0) return OkStatus();
    if (!broken_ && IsValidUtf8(pending_)) {
      out.push_back(std::exchange(pending_, {}));
      return OkStatus();
    }
    broken_ = true;
    ReplacePending(out);
    return OkStatus();
  }
  Status Finish(std::vector<std::string>& out) override {
    EndRun(out);
    return OkStatus();
  }

 private:
  void EndRun(std::vector<std::string>& out) {
    ReplacePending(out);
    broken_ = false;
  }
  void ReplacePending(std::vector<std::string>& out) {
    for (size_t i = 0; i < pending_.size(); ++i) out.emplace_back(kReplacementCharacter);
    pending_.clear();
  }
  std::string pending_;  // the beginning of a character
  bool broken_ = false;  // the run is not UTF-8
};

class PassingStream final : public DecoderStream {
 public:
  Status Add(std::string token, std::vector<std::string>& out) override {
    out.push_back(std::move(token));
    return OkStatus();
  }
  Status Finish(std::vector<std::string>&) override { return OkStatus(); }
};

class StripStream final : public DecoderStream {
 public:
  StripStream(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  Status Add(std::string token, std::vector<std::string>& out) override {
    held_ += token;
    size_t begin = 0;
    for (; start_ > 0 && begin < held_.size(); --start_) {
      if (held_.compare(begin, content_.size(), content_) != 0) {
        start_ = 0;
        break;
      }
      begin += content_.size();
    }
    // What might be cut off at the end stays here.
    size_t end = held_.size();
    for (size_t n = stop_; n > 0 && end >= begin + content_.size(); --n) {
      if (held_.compare(end - content_.size(), content_.size(), content_) != 0) break;
      end -= content_.size();
    }
    out.push_back(held_.substr(begin, end - begin));
    held_.erase(0, end);
    return OkStatus();
  }
  Status Finish(std::vector<std::string>&) override { return OkStatus(); }

 private:
  std::string content_;
  size_t start_;  // how many may still be cut off at the beginning
  size_t stop_;
  std::string held_;
};

class BpeSuffixStream final : public DecoderStream {
 public:
  explicit BpeSuffixStream(const std::string& suffix) : suffix_(suffix) {}
  Status Add(std::string token, std::vector<std::string>& out) override {
    Release(" ", out);
    held_ = std::move(token);
    return OkStatus();
  }
  Status Finish(std::vector<std::string>& out) override {
    Release("", out);
    return OkStatus();
  }

 private:
  void Release(std::string_view blank, std::vector<std::string>& out) {
    if (held_) out.push_back(ReplaceAll(*held_, suffix_, blank));
    held_.reset();
  }
  const std::string& suffix_;
  std::optional<std::string> held_;
};

class StreamSequence final : public DecoderStream {
 public:
  explicit StreamSequence(std::vector<std::unique_ptr<DecoderStream>> parts)
      : parts_(std::move(parts)) {}
  Status Add(std::string token, std::vector<std::string>& out) override {
    return Feed(0, std::move(token), out);
  }
  Status Finish(std::vector<std::string>& out) override {
    for (size_t i = 0; i < parts_.size(); ++i) {
      std::vector<std::string> rest;
      if (Status s = parts_[i]->Finish(rest); !s.ok()) return s;
      for (std::string& token : rest) {
        if (Status s = Feed(i + 1, std::move(token), out); !s.ok()) return s;
      }
    }
    return OkStatus();
  }

 private:
  // Sends a token through the decoders from number `i` on.
  Status Feed(size_t i, std::string token, std::vector<std::string>& out) {
    std::vector<std::string> tokens;
    tokens.push_back(std::move(token));
    for (; i < parts_.size(); ++i) {
      std::vector<std::string> next;
      for (std::string& t : tokens) {
        if (Status s = parts_[i]->Add(std::move(t), next); !s.ok()) return s;
      }
      tokens = std::move(next);
    }
    for (std::string& t : tokens) out.push_back(std::move(t));
    return OkStatus();
  }
  std::vector<std::unique_ptr<DecoderStream>> parts_;
};

}  // namespace

std::optional<char> ByteOf(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    if (c >= '0' && c <= '9') {
      value = value * 16 + (c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + (c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      value = value * 16 + (c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return static_cast<char>(value);
}

void AppendTokenBytes(const std::string& token, std::string& out) {
  if (!AppendLetterBytes(token, out)) out += token;
}

std::unique_ptr<DecoderStream> NewTokenwiseStream(const TokenwiseDecoder& decoder) {
  return std::make_unique<TokenwiseStream>(decoder);
}
std::unique_ptr<DecoderStream> NewByteLevelStream() { return std::make_unique<ByteLevelStream>(); }
std::unique_ptr<DecoderStream> NewByteFallbackStream() {
  return std::make_unique<ByteFallbackStream>();
}
std::unique_ptr<DecoderStream> NewBpeSuffixStream(const std::string& suffix) {
  return std::make_unique<BpeSuffixStream>(suffix);
}
std::unique_ptr<DecoderStream> NewPassingStream() { return std::make_unique<PassingStream>(); }
std::unique_ptr<DecoderStream> NewStripStream(std::string content, size_t start, size_t stop) {
  return std::make_unique<StripStream>(std::move(content), start, stop);
}
std::unique_ptr<DecoderStream> NewCollectingStream(const Decoder& decoder) {
  return std::make_unique<CollectingStream>(decoder);
}
std::unique_ptr<DecoderStream> NewStreamSequence(
    std::vector<std::unique_ptr<DecoderStream>> parts) {
  return std::make_unique<StreamSequence>(std::move(parts));
}

}  // namespace quarry::text
