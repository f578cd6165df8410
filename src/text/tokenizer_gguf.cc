#include "text/tokenizer_gguf.h"

#include <utility>

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"
#include "text/bpe.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/sentencepiece.h"

namespace quarry::text {
namespace {

// The numbers are SentencePiece's.
enum TokenType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

constexpr size_t kMaxTokens = static_cast<size_t>(kMaxTokenIds);

// What both kinds of tokenizer have.
struct Tokens {
  std::vector<std::string_view> texts;  // by id
  std::vector<int32_t> types;           // as many
  std::optional<TokenId> bos, eos, unk;
  bool add_bos = false, add_eos = false;
};

std::optional<TokenId> SpecialId(const GgufReader& in, std::string_view key, size_t n) {
  const auto id = in.OptionalInt(key, 0, UINT32_MAX);
  if (!id || *id >= static_cast<int64_t>(n)) return std::nullopt;  // -1 and such: none
  return static_cast<TokenId>(*id);
}

Tokens ReadTokens(const GgufReader& in, bool add_bos_if_absent) {
  Tokens t;
  t.texts = in.Strings("tokenizer.ggml.tokens", kMaxTokens);
  t.types = in.Ints("tokenizer.ggml.token_type", kMaxTokens);
  if (in.ok() && t.texts.empty()) {
    in.Reject("tokenizer.ggml.tokens", "must be an array of strings");
  }
  if (t.types.empty()) t.types.assign(t.texts.size(), kNormal);
  if (in.ok() && t.types.size() != t.texts.size()) {
    in.Reject("tokenizer.ggml.token_type",
              fmt::format("must have one element for each of the {} tokens", t.texts.size()));
  }
  for (size_t i = 0; i < t.texts.size() && in.ok(); ++i) {
    if (IsValidUtf8(t.texts[i])) continue;
    in.Fail(CorruptData(fmt::format("{}: tokenizer.ggml.tokens: token {} is {}, must be UTF-8",
                                    in.file(), i, Quoted(t.texts[i]))));
  }
  t.bos = SpecialId(in, "tokenizer.ggml.bos_token_id", t.texts.size());
  t.eos = SpecialId(in, "tokenizer.ggml.eos_token_id", t.texts.size());
  t.unk = SpecialId(in, "tokenizer.ggml.unknown_token_id", t.texts.size());
  t.add_bos = in.BoolOr("tokenizer.ggml.add_bos_token", add_bos_if_absent);
  t.add_eos = in.BoolOr("tokenizer.ggml.add_eos_token", false);
  return t;
}

std::vector<AddedToken> AddedTokens(const Tokens& t) {
  std::vector<AddedToken> out;
  for (size_t i = 0; i < t.texts.size(); ++i) {
    if (t.texts[i].empty()) continue;
    AddedToken token;
    token.content = t.texts[i];
    token.id = static_cast<TokenId>(i);
    token.special = t.types[i] == kControl || t.types[i] == kUnknown;
    if (token.special || t.types[i] == kUserDefined) out.push_back(std::move(token));
  }
  return out;
}

void SetEnds(const Tokens& t, TokenizerParts& parts) {
  const auto text = [&](std::optional<TokenId> id) -> std::optional<std::string> {
    if (!id) return std::nullopt;
    return std::string(t.texts[static_cast<size_t>(*id)]);
  };
  parts.bos_token = text(t.bos);
  parts.eos_token = text(t.eos);
  std::vector<TemplatePostProcessor::Slot> slots;
  if (t.bos && t.add_bos) slots.emplace_back(*t.bos);
  slots.emplace_back(std::nullopt);
  if (t.eos && t.add_eos) slots.emplace_back(*t.eos);
  parts.post_processor = std::make_unique<TemplatePostProcessor>(std::move(slots));
}

// The functions below may also leave an error with the reader, which the caller looks at first.

// "left right"; the texts of tokens have no blanks in them, so that the first one parts them.
Result<std::vector<Merge>> ReadMerges(const GgufReader& in, const Vocabulary& vocabulary) {
  std::vector<Merge> merges;
  for (std::string_view line : in.Strings("tokenizer.ggml.merges", kMaxMerges)) {
    const size_t blank = line.find(' ', 1);
    if (line.empty() || blank == std::string_view::npos) {
      return CorruptData(
          fmt::format("tokenizer.ggml.merges: merge {} is {}, must be two tokens "
                      "with a blank between",
                      merges.size(), Quoted(line)));
    }
    Result<Merge> merge = FindMerge(vocabulary, line.substr(0, blank), line.substr(blank + 1),
                                    static_cast<uint32_t>(merges.size()));
    if (!merge.ok()) return merge.status().WithPrefix("tokenizer.ggml.merges");
    merges.push_back(*merge);
  }
  return merges;
}

Result<TokenizerParts> ParseByteLevel(const GgufReader& in) {
  const Result<const GgufPreTokenizer*> pre =
      FindGgufPreTokenizer(in.StringOr("tokenizer.ggml.pre", "default"));
  if (!in.ok()) return TokenizerParts();
  if (!pre.ok()) return pre.status();
  const Tokens t = ReadTokens(in, (*pre)->add_bos);
  if (!in.ok()) return TokenizerParts();
  Vocabulary vocabulary;
  size_t bytes = 0;
  for (std::string_view text : t.texts) bytes += text.size();
  vocabulary.Reserve(t.texts.size(), bytes);
  for (size_t i = 0; i < t.texts.size(); ++i) {
    if (t.types[i] == kUnused) continue;
    const Status s = vocabulary.Add(t.texts[i], static_cast<int64_t>(i));
    if (!s.ok()) return s.WithPrefix("tokenizer.ggml.tokens");
  }
  const Result<std::vector<Merge>> merges = ReadMerges(in, vocabulary);
  if (!merges.ok()) return merges.status();
  if (!in.ok()) return TokenizerParts();
  BpeOptions options;
  options.ignore_merges = (*pre)->ignore_merges;
  Result<std::unique_ptr<BpeModel>> model =
      BpeModel::Create(std::move(vocabulary), *merges, std::move(options));
  if (!model.ok()) return model.status();
  Result<std::unique_ptr<PreTokenizer>> pre_tokenizer = MakePreTokenizer(**pre);
  if (!pre_tokenizer.ok()) return pre_tokenizer.status();

  TokenizerParts parts;
  parts.model = std::move(*model);
  if ((*pre)->nfc) parts.normalizer = std::make_unique<UnicodeNormalizer>(NormalForm::kNfc);
  parts.pre_tokenizer = std::move(*pre_tokenizer);
  parts.decoder = std::make_unique<ByteLevelDecoder>();
  parts.added_tokens = AddedTokens(t);
  SetEnds(t, parts);
  return parts;
}

Result<TokenizerParts> ParsePieces(const GgufReader& in) {
  const Tokens t = ReadTokens(in, true);
  const std::vector<float> scores = in.Floats("tokenizer.ggml.scores", kMaxTokens);
  if (in.ok() && scores.size() != t.texts.size()) {
    in.Reject("tokenizer.ggml.scores",
              fmt::format("must be an f32 for each of the {} tokens", t.texts.size()));
  }
  if (!in.ok()) return TokenizerParts();
  SentencePieceFile file;
  file.model_type = SentencePieceFile::ModelType::kBpe;
  file.add_dummy_prefix = in.BoolOr("tokenizer.ggml.add_space_prefix", true);
  file.remove_extra_whitespaces = in.BoolOr("tokenizer.ggml.remove_extra_whitespaces", false);
  size_t unknown = 0;
  for (size_t i = 0; i < t.texts.size(); ++i) {
    int32_t type = t.types[i] >= kNormal && t.types[i] <= kByte ? t.types[i] : kNormal;
    if (type == kUnknown && unknown++ > 0) type = kControl;
    if (type == kByte) file.byte_fallback = true;
    file.pieces.push_back(
        {std::string(t.texts[i]), scores[i], static_cast<SentencePieceFile::PieceType>(type)});
  }
  if (unknown == 0) {
    file.pieces[static_cast<size_t>(t.unk.value_or(0))].type =
        SentencePieceFile::PieceType::kUnknown;
  }
  TokenizerConfig config;
  for (AddedToken& token : AddedTokens(t)) {
    if (!token.special) config.added_tokens.push_back(std::move(token));
  }
  Result<TokenizerParts> parts = MakeSentencePieceParts(file, config);
  if (!parts.ok()) return parts;
  SetEnds(t, *parts);
  return parts;
}

}  // namespace

Result<TokenizerParts> ParseGgufTokenizer(const GgufFile& file) {
  Status error;
  const GgufReader in(file, error);
  const std::string_view model = in.String("tokenizer.ggml.model");
  if (!error.ok()) return error;
  if (model != "gpt2" && model != "llama") {
    in.Reject("tokenizer.ggml.model", "must be gpt2 or llama", StatusCode::kUnsupported);
    return error;
  }
  Result<TokenizerParts> parts = model == "gpt2" ? ParseByteLevel(in) : ParsePieces(in);
  if (!error.ok()) return error;
  if (!parts.ok()) return parts.status().WithPrefix(file.name());
  return parts;
}

Result<std::map<std::string, std::string>> GgufSpecialTokens(const GgufFile& file) {
  Status error;
  const GgufReader in(file, error);
  const Tokens t = ReadTokens(in, false);
  const auto pad = SpecialId(in, "tokenizer.ggml.padding_token_id", t.texts.size());
  if (!error.ok()) return error;
  std::map<std::string, std::string> out;
  const auto add = [&](const char* name, std::optional<TokenId> id) {
    if (id) out[name] = t.texts[static_cast<size_t>(*id)];
  };
  add("bos_token", t.bos);
  add("eos_token", t.eos);
  add("unk_token", t.unk);
  add("pad_token", pad);
  return out;
}

}  // namespace quarry::text
