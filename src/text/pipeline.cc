#include "text/pipeline.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"

namespace quarry::text {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 28;

}  // namespace

Result<std::shared_ptr<const Pipeline>> Pipeline::Create(TokenizerParts parts) {
  std::shared_ptr<Pipeline> p(new Pipeline(std::move(parts)));
  TokenizerParts& in = p->parts_;
  for (const AddedToken& token : in.added_tokens) {
    if (token.id < 0 || token.id >= kMaxTokenIds) {
      return CorruptData(fmt::format("added token {} has id {}, ids are 0 to {}",
                                     Quoted(token.content), token.id, kMaxTokenIds - 1));
    }
  }
  Result<AddedVocabulary> added =
      AddedVocabulary::Create(std::move(in.added_tokens), in.normalizer.get());
  if (!added.ok()) return added.status();
  p->added_ = std::move(*added);
  p->id_limit_ = in.model->vocabulary().id_limit();
  for (const AddedToken& t : p->added_.tokens()) {
    p->id_limit_ = std::max(p->id_limit_, static_cast<size_t>(t.id) + 1);
  }
  if (in.bos_token) p->bos_ = p->TokenToId(*in.bos_token);
  if (in.eos_token) p->eos_ = p->TokenToId(*in.eos_token);
  if (in.decoder == nullptr) in.decoder = std::make_unique<SpacedDecoder>();
  return std::shared_ptr<const Pipeline>(std::move(p));
}

Result<std::vector<TokenId>> Pipeline::Encode(std::string_view text,
                                              const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    return InvalidArgument(fmt::format("the text has {} bytes, at most {} are encoded at once",
                                       text.size(), kMaxTextBytes));
  }
  std::string repaired;
  if (!IsValidUtf8(text)) text = repaired = ReplaceInvalidUtf8(text);

  std::vector<Piece> parts;
  added_.Split(text, /*normalized=*/false, options.parse_special, parts);
  const auto encoder =
      parts_.model->NewEncoder(options.parse_special ? nullptr : &added_.specials());
  std::vector<TokenId> ids;
  size_t bytes = 0;
  for (const Piece& part : parts) {
    if (part.token != kNoToken) {
      ids.push_back(part.token);
      continue;
    }
    const std::string_view view = text.substr(part.begin, part.end - part.begin);
    if (Status s = EncodeText(view, part.begin == 0, options.parse_special, *encoder, bytes, ids);
        !s.ok()) {
      return s;
    }
  }
  if (parts_.post_processor != nullptr) {
    parts_.post_processor->Apply(options.add_special_tokens, ids);
  }
  return ids;
}

Status Pipeline::EncodeText(std::string_view text, bool at_start, bool parse_special,
                            PieceEncoder& encoder, size_t& bytes, std::vector<TokenId>& out) const {
  PieceList list;
  list.text = text;
  if (parts_.normalizer != nullptr) {
    if (Status s = parts_.normalizer->Apply(list.text, at_start); !s.ok()) return s;
  }
  if (Status s = CheckStageBytes(list.text.size()); !s.ok()) return s;
  added_.Split(list.text, /*normalized=*/true, parse_special, list.pieces);
  for (Piece& piece : list.pieces) piece.at_start = at_start && piece.begin == 0;
  if (parts_.pre_tokenizer != nullptr) {
    if (Status s = parts_.pre_tokenizer->Apply(list); !s.ok()) return s;
    // Offsets into a piece must stay below 2^31.
    if (Status s = CheckStageBytes(list.text.size()); !s.ok()) return s;
  }
  bytes += list.text.size();
  if (Status s = CheckStageBytes(bytes); !s.ok()) return s;
  for (const Piece& piece : list.pieces) {
    if (piece.token != kNoToken) {
      out.push_back(piece.token);
      continue;
    }
    const std::string_view view = list.View(piece);
    if (Status s = encoder.Encode(view, out); !s.ok()) return s;
  }
  return OkStatus();
}

Result<std::string> Pipeline::Decode(std::span<const TokenId> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) {
    if (skip_special && is_skipped(id)) continue;
    if (const auto token = IdToToken(id)) tokens.emplace_back(*token);
  }
  if (Status s = parts_.decoder->Decode(tokens); !s.ok()) return s;
  std::string text;
  for (const std::string& t : tokens) text += t;
  return text;
}

std::optional<TokenId> Pipeline::TokenToId(std::string_view token) const {
  if (const AddedToken* added = added_.Find(token)) return added->id;
  const TokenId id = parts_.model->vocabulary().Find(token);
  if (id < 0) return std::nullopt;
  return id;
}

std::optional<std::string_view> Pipeline::IdToToken(TokenId id) const {
  if (const auto text = added_.Text(id)) return text;
  const Vocabulary& vocabulary = parts_.model->vocabulary();
  if (!vocabulary.Contains(id)) return std::nullopt;
  return vocabulary.Text(id);
}

Result<std::string> Pipeline::Normalize(std::string_view text) const {
  std::string out = ReplaceInvalidUtf8(text);
  bool at_start = true;
  if (parts_.normalizer != nullptr) {
    if (Status s = parts_.normalizer->Apply(out, at_start); !s.ok()) return s;
  }
  return out;
}

Result<std::vector<std::string>> Pipeline::PreTokenize(std::string_view text) const {
  PieceList list;
  list.text = ReplaceInvalidUtf8(text);
  if (!list.text.empty()) list.pieces.push_back({0, list.text.size(), kNoToken, true});
  if (parts_.pre_tokenizer != nullptr) {
    if (Status s = parts_.pre_tokenizer->Apply(list); !s.ok()) return s;
  }
  std::vector<std::string> out;
  for (const Piece& piece : list.pieces) out.emplace_back(list.View(piece));
  return out;
}

}  // namespace quarry::text
