#include "text/word_piece.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/quoted.h"

namespace quarry::text {
namespace {

bool Allowed(const TokenSet* forbidden, TokenId id) {
  return id >= 0 && (forbidden == nullptr || !forbidden->Contains(id));
}

bool IsCharBegin(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

Result<std::unique_ptr<WordPieceModel>> WordPieceModel::Create(Vocabulary vocabulary,
                                                               WordPieceOptions options) {
  std::unique_ptr<WordPieceModel> model(
      new WordPieceModel(std::move(vocabulary), std::move(options)));
  model->unk_ = model->vocabulary_.Find(model->options_.unk_token);
  if (model->unk_ < 0) {
    return CorruptData(
        fmt::format("unk_token {} is not in the vocabulary", Quoted(model->options_.unk_token)));
  }
  for (size_t id = 0; id < model->vocabulary_.id_limit(); ++id) {
    const size_t length = model->vocabulary_.Text(static_cast<TokenId>(id)).size();
    model->longest_token_ = std::max(model->longest_token_, length);
  }
  return model;
}

class WordPieceEncoder final : public PieceEncoder {
 public:
  WordPieceEncoder(const WordPieceModel& model, const TokenSet* forbidden)
      : model_(model), forbidden_(forbidden) {}

  Status Encode(std::string_view piece, std::vector<TokenId>& out) override {
    const size_t before = out.size();
    bool known = IsShortEnough(piece);
    for (size_t begin = 0; known && begin < piece.size();) {
      size_t end = std::min(piece.size(), begin + model_.longest_token_);
      while (end < piece.size() && !IsCharBegin(piece[end])) --end;
      TokenId id = Vocabulary::kNone;
      while (end > begin && !Allowed(forbidden_, id = Find(piece, begin, end))) {
        do {
          --end;
        } while (end > begin && !IsCharBegin(piece[end]));
      }
      known = end > begin;
      if (known) out.push_back(id);
      begin = end;
    }
    if (!known) {
      out.resize(before);
      out.push_back(model_.unk_);
    }
    return OkStatus();
  }

 private:
  bool IsShortEnough(std::string_view piece) const {
    size_t n = 0;
    for (const char c : piece) n += IsCharBegin(c);
    return n <= model_.options_.max_chars_per_word;
  }

  TokenId Find(std::string_view piece, size_t begin, size_t end) {
    const std::string_view part = piece.substr(begin, end - begin);
    if (begin == 0) return model_.vocabulary_.Find(part);
    buffer_ = model_.options_.continuing_prefix;
    buffer_ += part;
    return model_.vocabulary_.Find(buffer_);
  }

  const WordPieceModel& model_;
  const TokenSet* forbidden_;
  std::string buffer_;
};

std::unique_ptr<PieceEncoder> WordPieceModel::NewEncoder(const TokenSet* forbidden) const {
  return std::make_unique<WordPieceEncoder>(*this, forbidden);
}

class WordLevelEncoder final : public PieceEncoder {
 public:
  WordLevelEncoder(const WordLevelModel& model, const TokenSet* forbidden)
      : model_(model), forbidden_(forbidden) {}

  Status Encode(std::string_view piece, std::vector<TokenId>& out) override {
    TokenId id = model_.vocabulary_.Find(piece);
    if (!Allowed(forbidden_, id)) id = model_.unk_;
    if (id < 0) {
      return InvalidArgument(fmt::format(
          "the word {} has no token, and the tokenizer has no unknown token", Quoted(piece)));
    }
    out.push_back(id);
    return OkStatus();
  }

 private:
  const WordLevelModel& model_;
  const TokenSet* forbidden_;
};

std::unique_ptr<PieceEncoder> WordLevelModel::NewEncoder(const TokenSet* forbidden) const {
  return std::make_unique<WordLevelEncoder>(*this, forbidden);
}

}  // namespace quarry::text
