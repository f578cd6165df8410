#include "text/word_piece.h"

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
  const std::string& prefix = model->options_.continuing_prefix;
  for (size_t i = 0; i < model->vocabulary_.id_limit(); ++i) {
    const std::string_view text = model->vocabulary_.Text(static_cast<TokenId>(i));
    if (text.empty()) continue;
    if (text.size() > kMaxTokenBytes) {
      return Unsupported(
          fmt::format("token {} has {} bytes, at most {}", i, text.size(), kMaxTokenBytes));
    }
    const TokenId id = model->vocabulary_.Find(text);  // of several with this text the last
    model->first_.Insert(text, id);
    if (text.size() > prefix.size() && text.starts_with(prefix)) {
      model->later_.Insert(text.substr(prefix.size()), id);
    }
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
      const PrefixTrie& trie = begin == 0 ? model_.first_ : model_.later_;
      PrefixTrie::Hit longest;
      trie.Prefixes(piece.substr(begin), [&](size_t length, TokenId id) {
        if (Allowed(forbidden_, id)) longest = {length, id};
      });
      known = longest.length > 0;
      if (known) out.push_back(longest.value);
      begin += longest.length;
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

  const WordPieceModel& model_;
  const TokenSet* forbidden_;
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
