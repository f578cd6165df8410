#include "text/bpe.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"

namespace quarry::text {
namespace {

constexpr size_t kJoinBits = size_t{1} << 20;
constexpr char32_t kIndexedChars = 0x800;

}  // namespace

Result<Merge> FindMerge(const Vocabulary& vocabulary, std::string_view left, std::string_view right,
                        uint32_t rank, size_t prefix_bytes) {
  if (right.size() < prefix_bytes) {
    return CorruptData(fmt::format("{} lacks the continuing prefix", Quoted(right)));
  }
  std::string joined(left);
  joined += right.substr(prefix_bytes);
  const Merge m = {vocabulary.Find(left), vocabulary.Find(right), vocabulary.Find(joined), rank};
  for (const auto& [id, token] : {std::pair(m.left, left), std::pair(m.right, right),
                                  std::pair(m.result, std::string_view(joined))}) {
    if (id < 0) return CorruptData(fmt::format("{} is not in the vocabulary", Quoted(token)));
  }
  return m;
}

size_t BpeModel::JoinBit(TokenId left, TokenId right) {
  const uint64_t key =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  return (key * 0x9e3779b97f4a7c15u) >> 44;  // the top 20 bits
}

Result<std::unique_ptr<BpeModel>> BpeModel::Create(Vocabulary vocabulary,
                                                   const std::vector<Merge>& merges,
                                                   BpeOptions options) {
  std::unique_ptr<BpeModel> model(new BpeModel(std::move(vocabulary), merges, std::move(options)));
  if (Status s = model->Check(merges); !s.ok()) return s;
  model->IndexChars();
  model->IndexBoundaries(merges);
  return model;
}

BpeModel::BpeModel(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      merges_(merges),
      joins_(kJoinBits / 64),
      whole_(vocabulary_.id_limit()) {}

Status BpeModel::Check(const std::vector<Merge>& merges) const {
  for (const Merge& m : merges) {
    for (const TokenId id : {m.left, m.right, m.result}) {
      if (!vocabulary_.Contains(id)) {
        return CorruptData(fmt::format("merge {} names id {}, which is no token", m.rank, id));
      }
    }
  }
  for (const TokenId id : options_.user_defined) {
    if (vocabulary_.Text(id).empty()) {
      return CorruptData(fmt::format("user-defined token {} has no text", id));
    }
  }
  return OkStatus();
}

void BpeModel::IndexChars() {
  if (options_.unk_token) unk_ = vocabulary_.Find(*options_.unk_token);
  for (size_t b = 0; b < byte_ids_.size(); ++b) {
    byte_ids_[b] = vocabulary_.Find(fmt::format("<0x{:02X}>", b));
  }
  char_ids_.resize(kIndexedChars);
  for (char32_t c = 0; c < kIndexedChars; ++c) {
    std::string bytes;
    AppendUtf8(c, bytes);
    char_ids_[c] = vocabulary_.Find(bytes);
  }
  for (const TokenId id : options_.user_defined) user_defined_.Insert(vocabulary_.Text(id), id);
  plain_ = options_.continuing_prefix.empty() && options_.end_suffix.empty() &&
           options_.user_defined.empty();
  for (size_t id = 0; id < vocabulary_.id_limit(); ++id) {
    longest_token_ = std::max(longest_token_, vocabulary_.Text(static_cast<TokenId>(id)).size());
  }
}

// Two characters stand side by side inside a token only if the merge that brought them together
// has one at the end of its left side and the other at the beginning of its right side.
void BpeModel::IndexBoundaries(const std::vector<Merge>& merges) {
  struct Ends {
    TokenId first = Vocabulary::kNone, last = Vocabulary::kNone;
    bool known = false;
  };
  std::vector<Ends> ends(vocabulary_.id_limit());
  const auto ends_of = [&](TokenId id) -> const Ends& {
    Ends& e = ends[static_cast<size_t>(id)];
    const std::string_view text = vocabulary_.Text(id);
    if (e.known || text.empty()) return e;
    const Utf8Step first = DecodeUtf8(text, 0);
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    const Utf8Step last = DecodeUtf8(text, begin);
    e = {FindChar(text.substr(0, static_cast<size_t>(first.length)), first.code_point),
         FindChar(text.substr(begin), last.code_point), true};
    return e;
  };
  for (const Merge& m : merges) {
    const size_t bit = JoinBit(ends_of(m.left).last, ends_of(m.right).first);
    joins_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
}

// One caller's encoder.
class BpeEncoder final : public PieceEncoder {
 public:
  BpeEncoder(const BpeModel& model, const TokenSet* forbidden)
      : model_(model),
        forbidden_(forbidden),
        merger_(model.merges_, nullptr),
        careful_merger_(model.merges_, forbidden) {}

  Status Encode(std::string_view piece, std::vector<TokenId>& out) override {
    const size_t before = out.size();
    if (Status s = EncodeFreely(piece, out); !s.ok()) return s;
    if (forbidden_ == nullptr) return OkStatus();
    const auto added = out.begin() + static_cast<ptrdiff_t>(before);
    if (std::none_of(added, out.end(), [&](TokenId id) { return forbidden_->Contains(id); })) {
      return OkStatus();
    }
    out.resize(before);
    return EncodeBetween(piece, true, out);
  }

 private:
  // Without regard to what is forbidden.
  Status EncodeFreely(std::string_view piece, std::vector<TokenId>& out) {
    const BpeModel& m = model_;
    if (m.options_.ignore_merges && piece.size() <= m.longest_token_) {
      if (const TokenId id = m.vocabulary_.Find(piece); id >= 0) {
        out.push_back(id);
        return OkStatus();
      }
    }
    if (!m.plain_ || piece.size() > m.longest_token_) return EncodeBetween(piece, false, out);
    return EncodeRemembered(m.vocabulary_.Find(piece), out,
                            [&] { return EncodeBetween(piece, false, out); });
  }

  // Encodes the text of token `id`, or any text if that is kNone, by `encode`; whether a token's
  // text encodes to the token is found out once.
  template <typename EncodeText>
  Status EncodeRemembered(TokenId id, std::vector<TokenId>& out, EncodeText encode) {
    if (id < 0) return encode();
    auto& whole = model_.whole_[static_cast<size_t>(id)];
    const auto known = whole.load(std::memory_order_relaxed);
    if (known == BpeModel::WholeWord::kYes) {
      out.push_back(id);
      return OkStatus();
    }
    const size_t before = out.size();
    if (Status s = encode(); !s.ok()) return s;
    if (known == BpeModel::WholeWord::kUnknown) {
      const bool yes = out.size() == before + 1 && out.back() == id;
      whole.store(yes ? BpeModel::WholeWord::kYes : BpeModel::WholeWord::kNo,
                  std::memory_order_relaxed);
    }
    return OkStatus();
  }

  // Cuts out user-defined tokens and encodes what lies between.
  Status EncodeBetween(std::string_view piece, bool careful, std::vector<TokenId>& out) {
    const PrefixTrie& trie = model_.user_defined_;
    if (trie.empty()) return EncodeChars(piece, careful, out);
    size_t begin = 0;
    for (size_t i = 0; i < piece.size();) {
      const PrefixTrie::Hit hit = trie.Longest(piece.substr(i));
      if (hit.length == 0 || (careful && forbidden_->Contains(hit.value))) {
        i += static_cast<size_t>(DecodeUtf8(piece, i).length);
        continue;
      }
      if (begin < i) {
        if (Status s = EncodeChars(piece.substr(begin, i - begin), careful, out); !s.ok()) return s;
      }
      out.push_back(hit.value);
      i += hit.length;
      begin = i;
    }
    return begin < piece.size() ? EncodeChars(piece.substr(begin), careful, out) : OkStatus();
  }

  Status EncodeChars(std::string_view piece, bool careful, std::vector<TokenId>& out) {
    if (Status s = ReadSymbols(piece, careful); !s.ok()) return s;
    Merger& merger = careful ? careful_merger_ : merger_;
    // Long pieces fall apart where no token can span two characters; the parts do not affect one
    // another. Texts without a pre-tokenizer become words in this way.
    const std::span<const Symbol> all(symbols_);
    for (size_t begin = 0; begin < all.size();) {
      size_t end = begin + 1;
      while (end < all.size() && (!can_cut_ || model_.MayJoin(all[end - 1].id, all[end].id))) ++end;
      const std::span<const Symbol> symbols = all.subspan(begin, end - begin);
      TokenId word = Vocabulary::kNone;
      if (can_cut_ && !careful && symbols.size() > 1 && symbols.size() < all.size()) {
        const size_t to = end == all.size() ? piece.size() : all[end].begin;
        word = FindWord(piece.substr(symbols[0].begin, to - symbols[0].begin));
      }
      const Status merged = EncodeRemembered(word, out, [&] {
        merger.Merge(symbols, out);
        return OkStatus();
      });
      if (!merged.ok()) return merged;
      begin = end;
    }
    return OkStatus();
  }

  TokenId FindWord(std::string_view text) const {
    return text.size() <= model_.longest_token_ ? model_.vocabulary_.Find(text) : Vocabulary::kNone;
  }

  // The token of the character at [begin, end); looked up with the model's prefix and suffix.
  TokenId FindSymbol(std::string_view piece, size_t begin, size_t end, char32_t c) {
    const BpeOptions& o = model_.options_;
    const bool prefixed = begin > 0 && !o.continuing_prefix.empty();
    const bool suffixed = end == piece.size() && !o.end_suffix.empty();
    const std::string_view bytes = piece.substr(begin, end - begin);
    if (!prefixed && !suffixed) {
      decorated_ = bytes;
      return model_.FindChar(bytes, c);
    }
    decorated_ = fmt::format("{}{}{}", prefixed ? o.continuing_prefix : "", bytes,
                             suffixed ? o.end_suffix : "");
    return model_.vocabulary_.Find(decorated_);
  }

  // Appends the byte tokens of the text last looked up; false if one of them is missing.
  bool PushBytes(size_t begin) {
    for (const char b : decorated_) {
      if (model_.byte_ids_[static_cast<unsigned char>(b)] < 0) return false;
    }
    for (size_t i = 0; i < decorated_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(decorated_[i]);
      symbols_.push_back({model_.byte_ids_[byte], static_cast<uint32_t>(begin + i)});
    }
    return true;
  }

  // Fills symbols_ with the characters of `piece`. An unknown character is held back until the next
  // known one, bytes do not release it: so the reference does it.
  Status ReadSymbols(std::string_view piece, bool careful) {
    const BpeOptions& o = model_.options_;
    symbols_.clear();
    can_cut_ = model_.plain_ || (o.continuing_prefix.empty() && o.end_suffix.empty());
    std::optional<uint32_t> unknown;
    const auto release = [&] {
      if (!unknown) return;
      if (!symbols_.empty() && symbols_.back().begin > *unknown) can_cut_ = false;
      symbols_.push_back({model_.unk_, *unknown});
      unknown.reset();
    };
    for (size_t i = 0; i < piece.size();) {
      const Utf8Step step = DecodeUtf8(piece, i);
      const size_t end = i + static_cast<size_t>(step.length);
      const auto begin = static_cast<uint32_t>(i);
      const TokenId id = FindSymbol(piece, i, end, step.code_point);
      i = end;
      if (id >= 0 && !(careful && forbidden_->Contains(id))) {
        release();
        symbols_.push_back({id, begin});
      } else if (o.byte_fallback && PushBytes(begin)) {
        continue;
      } else if (o.unk_token) {
        if (model_.unk_ < 0) {
          return CorruptData(
              fmt::format("unk_token {} is not in the vocabulary", Quoted(*o.unk_token)));
        }
        if (!o.fuse_unk) release();
        if (!unknown) unknown = begin;
      } else {
        can_cut_ = false;  // a character is lost: offsets no longer tell the text of a symbol
      }
    }
    release();
    return OkStatus();
  }

  const BpeModel& model_;
  const TokenSet* forbidden_;
  Merger merger_;
  Merger careful_merger_;
  std::vector<Symbol> symbols_;
  std::string decorated_;
  bool can_cut_ = true;
};

std::unique_ptr<PieceEncoder> BpeModel::NewEncoder(const TokenSet* forbidden) const {
  return std::make_unique<BpeEncoder>(*this, forbidden);
}

}  // namespace quarry::text
