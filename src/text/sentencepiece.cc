#include "text/sentencepiece.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"
#include "text/bpe.h"
#include "text/unigram.h"

namespace quarry::text {
namespace {

using PieceType = SentencePieceFile::PieceType;

constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581

Result<Vocabulary> MakeVocabulary(const SentencePieceFile& file) {
  Vocabulary vocabulary;
  size_t bytes = 0;
  for (const auto& piece : file.pieces) bytes += piece.text.size();
  vocabulary.Reserve(file.pieces.size(), bytes);
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const std::string& text = file.pieces[id].text;
    // Also, every way to cut a piece in two is tried.
    if (text.size() > kMaxTokenBytes) {
      return Unsupported(fmt::format("SentencePiece model: piece {} has {} bytes, at most {}", id,
                                     text.size(), kMaxTokenBytes));
    }
    if (const TokenId other = vocabulary.Find(text); other >= 0) {
      return CorruptData(fmt::format("SentencePiece model: pieces {} and {} are both {}", other, id,
                                     Quoted(text)));
    }
    if (Status s = vocabulary.Add(text, static_cast<int64_t>(id)); !s.ok()) return s;
  }
  return vocabulary;
}

std::vector<TokenId> PiecesOfType(const SentencePieceFile& file, PieceType type) {
  std::vector<TokenId> ids;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    if (file.pieces[id].type == type) ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

// SentencePiece joins the neighbours whose joint piece has the highest score: so every pair that
// makes up a piece is a merge, ranked by the score of the result, equal for equal scores.
Result<std::vector<Merge>> MakeMerges(const SentencePieceFile& file, const Vocabulary& vocabulary) {
  std::set<float, std::greater<>> scores;
  for (const auto& piece : file.pieces) {
    if (piece.type == PieceType::kNormal) scores.insert(piece.score);
  }
  const std::vector<float> ranked(scores.begin(), scores.end());
  const auto find = [&](std::string_view text) {
    const TokenId id = vocabulary.Find(text);
    if (id < 0 || file.pieces[static_cast<size_t>(id)].type != PieceType::kNormal) {
      return Vocabulary::kNone;
    }
    return id;
  };
  std::vector<Merge> merges;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    if (piece.type != PieceType::kNormal) continue;
    const auto rank = std::lower_bound(ranked.begin(), ranked.end(), piece.score, std::greater<>());
    const std::string_view text = piece.text;
    for (size_t cut = static_cast<size_t>(DecodeUtf8(text, 0).length); cut < text.size();
         cut += static_cast<size_t>(DecodeUtf8(text, cut).length)) {
      const TokenId left = find(text.substr(0, cut));
      const TokenId right = find(text.substr(cut));
      if (left < 0 || right < 0) continue;
      if (merges.size() == kMaxMerges) {
        return Unsupported(fmt::format(
            "SentencePiece model: its pieces make more than {} merges, at piece {} of {}",
            kMaxMerges, id, file.pieces.size()));
      }
      merges.push_back(
          {left, right, static_cast<TokenId>(id), static_cast<uint32_t>(rank - ranked.begin())});
    }
  }
  return merges;
}

Result<std::unique_ptr<Model>> MakeModel(const SentencePieceFile& file) {
  Result<Vocabulary> vocabulary = MakeVocabulary(file);
  if (!vocabulary.ok()) return vocabulary.status();
  const std::vector<TokenId> unknown = PiecesOfType(file, PieceType::kUnknown);
  if (unknown.size() != 1) {
    return CorruptData(
        fmt::format("SentencePiece model: {} unknown pieces, must be 1", unknown.size()));
  }
  if (file.model_type == SentencePieceFile::ModelType::kBpe) {
    const Result<std::vector<Merge>> merges = MakeMerges(file, *vocabulary);
    if (!merges.ok()) return merges.status();
    BpeOptions options;
    options.unk_token = file.pieces[static_cast<size_t>(unknown[0])].text;
    options.fuse_unk = true;
    options.byte_fallback = file.byte_fallback;
    options.user_defined = PiecesOfType(file, PieceType::kUserDefined);
    auto model = BpeModel::Create(std::move(*vocabulary), *merges, std::move(options));
    if (!model.ok()) return model.status();
    return std::unique_ptr<Model>(std::move(*model));
  }
  UnigramOptions options;
  options.unk = unknown[0];
  options.byte_fallback = file.byte_fallback;
  options.user_defined = PiecesOfType(file, PieceType::kUserDefined);
  options.single_precision = true;
  for (const PieceType type :
       {PieceType::kUnknown, PieceType::kControl, PieceType::kByte, PieceType::kUnused}) {
    const std::vector<TokenId> ids = PiecesOfType(file, type);
    options.unreachable.insert(options.unreachable.end(), ids.begin(), ids.end());
  }
  std::vector<double> scores;
  for (const auto& piece : file.pieces) scores.push_back(static_cast<double>(piece.score));
  auto model = UnigramModel::Create(std::move(*vocabulary), std::move(scores), std::move(options));
  if (!model.ok()) return model.status();
  return std::unique_ptr<Model>(std::move(*model));
}

std::unique_ptr<Decoder> MakeDecoder(const SentencePieceFile& file) {
  std::vector<std::unique_ptr<Decoder>> parts;
  parts.push_back(std::make_unique<ReplaceDecoder>(Replacement(std::string(kMark), " ")));
  parts.push_back(std::make_unique<ByteFallbackDecoder>());
  parts.push_back(std::make_unique<FuseDecoder>());
  if (file.add_dummy_prefix) parts.push_back(std::make_unique<StripDecoder>(" ", 1, 0));
  return std::make_unique<DecoderSequence>(std::move(parts));
}

// Control and unknown pieces, after the tokens that the configuration adds or describes.
Result<std::vector<AddedToken>> MakeAddedTokens(const SentencePieceFile& file,
                                                const TokenizerConfig& config) {
  std::vector<AddedToken> tokens = config.added_tokens;
  std::set<TokenId> described;
  for (const AddedToken& token : tokens) {
    const auto id = static_cast<size_t>(token.id);
    if (id < file.pieces.size() && file.pieces[id].text != token.content) {
      return CorruptData(fmt::format("added_tokens_decoder: id {} is {}, in the model {}", token.id,
                                     Quoted(token.content), Quoted(file.pieces[id].text)));
    }
    described.insert(token.id);
  }
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    const auto& piece = file.pieces[i];
    const auto id = static_cast<TokenId>(i);
    const bool special = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
    if (!special || described.contains(id)) continue;
    AddedToken token;
    token.content = piece.text;
    token.id = id;
    token.special = true;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::optional<TokenId> FindControl(const SentencePieceFile& file, std::string_view text) {
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    if (piece.type == PieceType::kControl && piece.text == text) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceFile& file,
                                                 std::optional<Charsmap> map,
                                                 PrefixTrie user_defined)
    : map_(std::move(map)),
      user_defined_(std::move(user_defined)),
      add_dummy_prefix_(file.add_dummy_prefix),
      remove_extra_whitespaces_(file.remove_extra_whitespaces),
      space_(file.escape_whitespaces ? kMark : " ") {}

std::pair<std::string_view, size_t> SentencePieceNormalizer::NextPrefix(
    std::string_view text) const {
  if (const PrefixTrie::Hit hit = user_defined_.Longest(text); hit.length > 0) {
    return {text.substr(0, hit.length), hit.length};
  }
  if (map_) {
    if (const auto hit = map_->Longest(text)) return {hit->replacement, hit->length};
  }
  const auto length = static_cast<size_t>(DecodeUtf8(text, 0).length);
  return {text.substr(0, length), length};
}

Status SentencePieceNormalizer::Apply(std::string& text, bool&) const {
  std::string_view in = text;
  while (remove_extra_whitespaces_ && !in.empty()) {
    const auto [prefix, length] = NextPrefix(in);
    if (prefix != " ") break;
    in.remove_prefix(length);
  }
  std::string out;
  if (!in.empty() && add_dummy_prefix_) out = space_;
  bool after_space = remove_extra_whitespaces_;
  while (!in.empty()) {
    auto [prefix, length] = NextPrefix(in);
    while (after_space && prefix.starts_with(' ')) prefix.remove_prefix(1);
    if (!prefix.empty()) {
      for (const char c : prefix) {
        if (c == ' ') {
          out += space_;
        } else {
          out += c;
        }
      }
      after_space = remove_extra_whitespaces_ && prefix.ends_with(' ');
      if (Status s = CheckStageBytes(out.size()); !s.ok()) return s;
    }
    in.remove_prefix(length);
  }
  while (remove_extra_whitespaces_ && out.ends_with(space_)) out.resize(out.size() - space_.size());
  text = std::move(out);
  return OkStatus();
}

Result<TokenizerParts> MakeSentencePieceParts(const SentencePieceFile& file,
                                              const TokenizerConfig& config) {
  using ModelType = SentencePieceFile::ModelType;
  if (file.model_type != ModelType::kBpe && file.model_type != ModelType::kUnigram) {
    return Unsupported("SentencePiece model: word and character models");
  }
  if (file.treat_whitespace_as_suffix) {
    return Unsupported("SentencePiece model: treat_whitespace_as_suffix");
  }
  if (file.has_denormalizer) return Unsupported("SentencePiece model: a denormalizer");

  TokenizerParts parts;
  Result<std::unique_ptr<Model>> model = MakeModel(file);
  if (!model.ok()) return model.status();
  parts.model = std::move(*model);

  std::optional<Charsmap> map;
  if (!file.charsmap.empty()) {
    Result<Charsmap> parsed = Charsmap::Parse(file.charsmap);
    if (!parsed.ok()) return parsed.status().WithPrefix("SentencePiece model");
    map = std::move(*parsed);
  }
  PrefixTrie user_defined;
  for (const TokenId id : PiecesOfType(file, PieceType::kUserDefined)) {
    user_defined.Insert(file.pieces[static_cast<size_t>(id)].text, id);
  }
  parts.normalizer =
      std::make_unique<SentencePieceNormalizer>(file, std::move(map), std::move(user_defined));
  parts.decoder = MakeDecoder(file);
  Result<std::vector<AddedToken>> added = MakeAddedTokens(file, config);
  if (!added.ok()) return added.status();
  parts.added_tokens = std::move(*added);

  const std::optional<TokenId> bos = FindControl(file, file.bos_piece);
  const std::optional<TokenId> eos = FindControl(file, file.eos_piece);
  parts.bos_token = bos ? std::optional(file.bos_piece) : std::nullopt;
  parts.eos_token = eos ? std::optional(file.eos_piece) : std::nullopt;
  std::vector<TemplatePostProcessor::Slot> slots;
  if (bos && config.add_bos_token.value_or(true)) slots.push_back(*bos);
  slots.push_back(std::nullopt);
  if (eos && config.add_eos_token.value_or(false)) slots.push_back(*eos);
  parts.post_processor = std::make_unique<TemplatePostProcessor>(std::move(slots));
  return parts;
}

Result<TokenizerParts> ParseSentencePiece(std::string_view bytes, const TokenizerConfig& config) {
  const Result<SentencePieceFile> file = ParseSentencePieceFile(bytes);
  if (!file.ok()) return file.status();
  return MakeSentencePieceParts(*file, config);
}

}  // namespace quarry::text
