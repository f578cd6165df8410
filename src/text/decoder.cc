#include "text/decoder.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "text/decoder_stream.h"

namespace quarry::text {
namespace {

std::string Joined(const std::vector<std::string>& tokens) {
  std::string all;
  for (const std::string& t : tokens) all += t;
  return all;
}

// English clean-up of the reference, in its order.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kCleanups = {
    {{" .", "."},
     {" ?", "?"},
     {" !", "!"},
     {" ,", ","},
     {" ' ", "'"},
     {" n't", "n't"},
     {" 'm", "'m"},
     {" do not", " don't"},
     {" 's", "'s"},
     {" 've", "'ve"},
     {" 're", "'re"}}};

}  // namespace

std::unique_ptr<DecoderStream> Decoder::NewFragmentStream() const {
  return NewCollectingStream(*this);
}

Status TokenwiseDecoder::Decode(std::vector<std::string>& tokens) const {
  size_t bytes = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (Status s = DecodeToken(i == 0, tokens[i]); !s.ok()) return s;
    bytes += tokens[i].size();
    if (Status s = CheckStageBytes(bytes); !s.ok()) return s;
  }
  return OkStatus();
}

std::unique_ptr<DecoderStream> TokenwiseDecoder::NewStream() const {
  return NewTokenwiseStream(*this);
}

Status ByteLevelDecoder::Decode(std::vector<std::string>& tokens) const {
  std::string bytes;
  for (const std::string& t : tokens) AppendTokenBytes(t, bytes);
  tokens.assign(1, ReplaceInvalidUtf8(bytes));
  return OkStatus();
}

std::unique_ptr<DecoderStream> ByteLevelDecoder::NewStream() const { return NewByteLevelStream(); }

Status ByteFallbackDecoder::Decode(std::vector<std::string>& tokens) const {
  std::vector<std::string> out;
  std::string run;
  const auto end_run = [&] {
    if (run.empty()) return;
    if (IsValidUtf8(run)) {
      out.push_back(run);
    } else {
      out.insert(out.end(), run.size(), std::string(kReplacementCharacter));
    }
    run.clear();
  };
  for (std::string& t : tokens) {
    if (const std::optional<char> byte = ByteOf(t)) {
      run += *byte;
      continue;
    }
    end_run();
    out.push_back(std::move(t));
  }
  end_run();
  tokens = std::move(out);
  return OkStatus();
}

std::unique_ptr<DecoderStream> ByteFallbackDecoder::NewStream() const {
  return NewByteFallbackStream();
}

Status FuseDecoder::Decode(std::vector<std::string>& tokens) const {
  tokens.assign(1, Joined(tokens));
  return OkStatus();
}

std::unique_ptr<DecoderStream> FuseDecoder::NewStream() const { return NewPassingStream(); }

Status StripDecoder::DecodeToken(bool, std::string& token) const {
  size_t begin = 0;
  for (size_t n = start_; n > 0 && token.compare(begin, content_.size(), content_) == 0; --n) {
    begin += content_.size();
  }
  size_t end = token.size();
  for (size_t n = stop_; n > 0 && end >= begin + content_.size(); --n) {
    if (token.compare(end - content_.size(), content_.size(), content_) != 0) break;
    end -= content_.size();
  }
  token = token.substr(begin, end - begin);
  return OkStatus();
}

std::unique_ptr<DecoderStream> StripDecoder::NewFragmentStream() const {
  return NewStripStream(content_, start_, stop_);
}

Status ReplaceDecoder::DecodeToken(bool, std::string& token) const {
  bool unused = false;
  return replacement_.Apply(token, unused);
}

Status MetaspaceDecoder::DecodeToken(bool is_first, std::string& token) const {
  token = ReplaceAll(token, mark_, is_first && drop_first_ ? "" : " ");
  return OkStatus();
}

Status WordPieceDecoder::DecodeToken(bool is_first, std::string& token) const {
  if (!is_first) {
    if (token.starts_with(prefix_)) {
      token.erase(0, prefix_.size());
    } else {
      token.insert(0, " ");
    }
  }
  if (cleanup_) {
    for (const auto& [from, to] : kCleanups) token = ReplaceAll(token, from, to);
  }
  return OkStatus();
}

Status BpeSuffixDecoder::Decode(std::vector<std::string>& tokens) const {
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = ReplaceAll(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
  }
  return OkStatus();
}

std::unique_ptr<DecoderStream> BpeSuffixDecoder::NewStream() const {
  return NewBpeSuffixStream(suffix_);
}

Status SpacedDecoder::DecodeToken(bool is_first, std::string& token) const {
  if (!is_first) token.insert(0, " ");
  return OkStatus();
}

Status DecoderSequence::Decode(std::vector<std::string>& tokens) const {
  for (const auto& part : parts_) {
    if (Status s = part->Decode(tokens); !s.ok()) return s;
  }
  return OkStatus();
}

std::unique_ptr<DecoderStream> DecoderSequence::NewStream() const {
  std::vector<std::unique_ptr<DecoderStream>> streams;
  bool joined = false;
  for (const auto& part : parts_) {
    streams.push_back(joined ? part->NewFragmentStream() : part->NewStream());
    joined = joined || part->joins();
  }
  return NewStreamSequence(std::move(streams));
}

bool DecoderSequence::joins() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const auto& p) { return p->joins(); });
}

}  // namespace quarry::text
