#include <utility>

#include "quarry/tokenizer.h"

#include "text/pipeline.h"

namespace quarry {

struct Detokenizer::State {
  std::shared_ptr<const text::Pipeline> pipeline;
  DecodeOptions options;
  std::unique_ptr<text::DecoderStream> stream;
};

namespace {

std::string Joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& p : parts) all += p;
  return all;
}

}  // namespace

Detokenizer::Detokenizer(const Tokenizer& tokenizer, const DecodeOptions& options)
    : state_(std::make_unique<State>()) {
  state_->pipeline = tokenizer.pipeline_;
  state_->options = options;
  state_->stream = state_->pipeline->decoder().NewStream();
}

Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;
Detokenizer& Detokenizer::operator=(Detokenizer&&) noexcept = default;
Detokenizer::~Detokenizer() = default;

Result<std::string> Detokenizer::Add(TokenId id) {
  if (state_->options.skip_special && state_->pipeline->is_skipped(id)) return std::string();
  const std::optional<std::string_view> token = state_->pipeline->IdToToken(id);
  if (!token) return std::string();
  std::vector<std::string> out;
  if (Status s = state_->stream->Add(std::string(*token), out); !s.ok()) return s;
  return Joined(out);
}

Result<std::string> Detokenizer::Flush() {
  std::vector<std::string> out;
  const Status s = state_->stream->Finish(out);
  state_->stream = state_->pipeline->decoder().NewStream();
  if (!s.ok()) return s;
  return Joined(out);
}

}  // namespace quarry
