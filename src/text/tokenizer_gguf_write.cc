#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "quarry/tokenizer.h"

#include "base/file.h"
#include "base/quoted.h"
#include "text/chat/model_folder.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/json_fields.h"
#include "text/sentencepiece_proto.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace quarry::text {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTokenizerBytes = 512 << 20;
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;
constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581

// The arrays of tokenizer.ggml.*.
struct Arrays {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;        // SentencePiece
  std::vector<std::string> merges;  // byte-level BPE

  void Write(GgufBuilder& out) const {
    out.SetStrings("tokenizer.ggml.tokens", tokens);
    if (!scores.empty()) out.SetFloats("tokenizer.ggml.scores", scores);
    out.SetInts("tokenizer.ggml.token_type", types);
    if (!merges.empty()) out.SetStrings("tokenizer.ggml.merges", merges);
  }
};

bool IsByteToken(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && hex(text[3]) && hex(text[4]) &&
         text[5] == '>';
}

// Tokens and types of all ids of the model; those without a token are unused.
Result<Arrays> MakeArrays(const TokenizerParts& parts, int64_t vocab_size) {
  Arrays a;
  const Vocabulary& vocabulary = parts.model->vocabulary();
  for (int64_t id = 0; id < vocab_size; ++id) {
    const auto token = static_cast<TokenId>(id);
    const bool known = vocabulary.Contains(token);
    a.tokens.push_back(known ? std::string(vocabulary.Text(token)) : fmt::format("[PAD{}]", id));
    a.types.push_back(known ? kNormal : kUnused);
  }
  for (const AddedToken& t : parts.added_tokens) {
    if (t.id >= vocab_size) {
      return CorruptData(fmt::format("tokenizer.json: added token {} has id {}, the model has {}",
                                     Quoted(t.content), t.id, vocab_size));
    }
    a.tokens[static_cast<size_t>(t.id)] = t.content;
    a.types[static_cast<size_t>(t.id)] = t.special ? kControl : kUserDefined;
  }
  return a;
}

// "a b", or ["a", "b"] as newer files have it.
Status ReadMerges(JsonFields& model, std::vector<std::pair<std::string, std::string>>& out) {
  for (simdjson::dom::element e : model.Elements("merges")) {
    std::string_view text;
    simdjson::dom::array pair;
    if (e.get(text) == simdjson::SUCCESS) {
      const size_t blank = text.find(' ');
      if (blank == std::string_view::npos) {
        return model.Error("merges", fmt::format("has {}, without a blank", Quoted(text)));
      }
      out.emplace_back(text.substr(0, blank), text.substr(blank + 1));
    } else if (std::string_view left, right; e.get(pair) == simdjson::SUCCESS && pair.size() == 2 &&
                                             pair.at(0).get(left) == simdjson::SUCCESS &&
                                             pair.at(1).get(right) == simdjson::SUCCESS) {
      out.emplace_back(left, right);
    } else {
      return model.Error("merges", "must hold strings or pairs of strings");
    }
  }
  return model.status();
}

// The steps of a pre-tokenizer that ends in the byte-level alphabet; false if there is one that a
// GGUF entry cannot have.
bool ReadSteps(JsonFields& fields, std::vector<PreTokenizerStep>& steps, bool& byte_level) {
  using Kind = PreTokenizerStep::Kind;
  const std::string_view type = fields.String("type");
  if (type == "Sequence") {
    for (JsonFields& part : fields.Objects("pretokenizers")) {
      if (!ReadSteps(part, steps, byte_level)) return false;
    }
    return fields.ok();
  }
  if (type == "ByteLevel") {
    byte_level = true;
    if (fields.Bool("use_regex", true)) steps.push_back({Kind::kGpt2, ""});
    steps.push_back({Kind::kAlphabet, ""});
    return fields.ok() && !fields.Bool("add_prefix_space", true);
  }
  if (type == "Digits") {
    const bool single = fields.Bool("individual_digits", false);
    steps.push_back({single ? Kind::kDigits : Kind::kDigitRuns, ""});
    return fields.ok();
  }
  if (type == "Punctuation") {
    steps.push_back({Kind::kPunctuation, ""});
    return fields.OptionalString("behavior") == "Contiguous";
  }
  if (type != "Split") return false;
  std::optional<JsonFields> pattern = fields.Object("pattern");
  if (!pattern) return false;
  const auto regex = pattern->OptionalString("Regex");
  if (!regex || fields.OptionalString("behavior") != "Isolated" || fields.Bool("invert", false)) {
    return false;
  }
  steps.push_back({Kind::kSplit, WithEscapedLineEnds(*regex)});
  return true;
}

// Whether every blank becomes U+2581, and whether one is put in front: what SentencePiece does, as
// a normalizer or as a pre-tokenizer.
bool ReadMarks(JsonFields& fields, bool& marks, bool& prefix) {
  const std::string_view type = fields.String("type");
  if (type == "Sequence") {
    for (JsonFields& part : fields.Objects("normalizers")) {
      if (!ReadMarks(part, marks, prefix)) return false;
    }
    return fields.ok();
  }
  if (type == "Prepend") {
    prefix = true;
    return fields.String("prepend") == kMark;
  }
  if (type == "Metaspace") {
    marks = true;
    prefix =
        fields.OptionalString("prepend_scheme") != "never" && fields.Bool("add_prefix_space", true);
    return fields.String("replacement") == kMark && fields.ok();
  }
  std::optional<JsonFields> pattern = fields.Object("pattern");
  if (type != "Replace" || !pattern) return false;
  marks = true;
  return pattern->OptionalString("String") == " " && fields.OptionalString("content") == kMark;
}

Status WriteByteLevel(JsonFields& model, std::vector<PreTokenizerStep> steps, Arrays a,
                      GgufBuilder& out) {
  // Entries leave it to the end, where nothing comes after it.
  if (steps.back().kind == PreTokenizerStep::Kind::kAlphabet) steps.pop_back();
  const GgufPreTokenizer* pre = FindGgufPreTokenizer(steps, model.Bool("ignore_merges", false));
  if (pre == nullptr) {
    return Unsupported("tokenizer.json: no GGUF name stands for this pre_tokenizer");
  }
  std::vector<std::pair<std::string, std::string>> merges;
  if (Status s = ReadMerges(model, merges); !s.ok()) return s.WithPrefix("tokenizer.json");
  for (const auto& [left, right] : merges) {
    if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
      return Unsupported(
          fmt::format("tokenizer.json: merge of {} and {}, GGUF needs tokens "
                      "without blanks",
                      Quoted(left), Quoted(right)));
    }
    a.merges.push_back(left + " " + right);
  }
  out.SetString("tokenizer.ggml.model", "gpt2");
  out.SetString("tokenizer.ggml.pre", pre->names[0]);
  a.Write(out);
  return OkStatus();
}

// SentencePiece's BPE: scores that make the merges happen in the order of the file.
Status WritePieces(JsonFields& model, bool prefix, const Vocabulary& vocabulary, Arrays a,
                   GgufBuilder& out) {
  std::vector<std::pair<std::string, std::string>> merges;
  if (Status s = ReadMerges(model, merges); !s.ok()) return s.WithPrefix("tokenizer.json");
  // What no merge makes is joined last: its pieces meet nowhere but in texts that spell it.
  a.scores.assign(a.tokens.size(), -1e9f);
  for (size_t rank = merges.size(); rank-- > 0;) {
    const TokenId id = vocabulary.Find(merges[rank].first + merges[rank].second);
    if (id >= 0 && static_cast<size_t>(id) < a.scores.size()) {
      a.scores[static_cast<size_t>(id)] = -static_cast<float>(rank);
    }
  }
  const auto unk = model.OptionalString("unk_token");
  for (size_t i = 0; i < a.tokens.size(); ++i) {
    if (IsByteToken(a.tokens[i]) && a.types[i] == kNormal) a.types[i] = kByte;
    if (unk && a.tokens[i] == *unk) {
      a.types[i] = kUnknown;
      out.SetU32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(i));
    }
    if (a.types[i] != kNormal) a.scores[i] = 0;
  }
  out.SetString("tokenizer.ggml.model", "llama");
  out.SetString("tokenizer.ggml.pre", "default");
  out.SetBool("tokenizer.ggml.add_space_prefix", prefix);
  a.Write(out);
  return OkStatus();
}

Status WriteJson(const fs::path& file, int64_t vocab_size, GgufBuilder& out) {
  const Result<std::string> text = ReadFile(file, kMaxTokenizerBytes);
  if (!text.ok()) return text.status();
  Result<TokenizerParts> parts = ParseTokenizerJson(*text);
  if (!parts.ok()) return parts.status().WithPrefix(file.string());
  Result<Arrays> arrays = MakeArrays(*parts, vocab_size);
  if (!arrays.ok()) return arrays.status();

  // Read a second time for what the parts no longer tell. The first reading has checked the text.
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (parser.parse(*text).get(element) != simdjson::SUCCESS) {
    return CorruptData(file.string() + ": not valid JSON");
  }
  JsonFields root(element, "");
  std::optional<JsonFields> model = root.Object("model");
  if (!model || model->OptionalString("type") != "BPE") {
    return Unsupported("tokenizer.json: GGUF files are written with BPE models only");
  }
  std::vector<PreTokenizerStep> steps;
  bool byte_level = false, marks = false, prefix = false, fits = true;
  if (auto pre = root.Object("pre_tokenizer")) {
    fits = pre->OptionalString("type") == "Metaspace" ? ReadMarks(*pre, marks, prefix)
                                                      : ReadSteps(*pre, steps, byte_level);
  }
  if (byte_level && fits) return WriteByteLevel(*model, std::move(steps), std::move(*arrays), out);
  if (auto normalizer = root.Object("normalizer")) fits = ReadMarks(*normalizer, marks, prefix);
  if (marks && fits && model->Bool("byte_fallback", false)) {
    return WritePieces(*model, prefix, parts->model->vocabulary(), std::move(*arrays), out);
  }
  return Unsupported(
      "tokenizer.json: neither byte-level BPE of a known kind nor SentencePiece's BPE, which is "
      "what GGUF can express");
}

Status WriteModel(const fs::path& file, int64_t vocab_size, GgufBuilder& out) {
  const Result<std::string> bytes = ReadFile(file, kMaxTokenizerBytes);
  if (!bytes.ok()) return bytes.status();
  const Result<SentencePieceFile> pieces = ParseSentencePieceFile(*bytes);
  if (!pieces.ok()) return pieces.status().WithPrefix(file.string());
  if (pieces->model_type != SentencePieceFile::ModelType::kBpe) {
    return Unsupported(file.string() + ": GGUF files are written with BPE models only");
  }
  if (pieces->pieces.size() > static_cast<size_t>(vocab_size)) {
    return CorruptData(fmt::format("{}: {} pieces, the model has {} tokens", file.string(),
                                   pieces->pieces.size(), vocab_size));
  }
  Arrays a;
  for (const auto& piece : pieces->pieces) {
    if (piece.type == SentencePieceFile::PieceType::kUnknown) {
      out.SetU32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(a.tokens.size()));
    }
    a.tokens.push_back(piece.text);
    a.types.push_back(static_cast<int32_t>(piece.type));
    a.scores.push_back(piece.score);
  }
  while (a.tokens.size() < static_cast<size_t>(vocab_size)) {
    a.tokens.push_back(fmt::format("[PAD{}]", a.tokens.size()));
    a.types.push_back(kUnused);
    a.scores.push_back(0);
  }
  out.SetString("tokenizer.ggml.model", "llama");
  out.SetString("tokenizer.ggml.pre", "default");
  out.SetBool("tokenizer.ggml.add_space_prefix", pieces->add_dummy_prefix);
  out.SetBool("tokenizer.ggml.remove_extra_whitespaces", pieces->remove_extra_whitespaces);
  a.Write(out);
  return OkStatus();
}

Status WriteTemplates(const fs::path& folder, GgufBuilder& out) {
  const Result<ModelFolderTemplates> found = ReadModelFolderTemplates(folder);
  if (found.status().code() == StatusCode::kNotFound) return OkStatus();
  if (!found.ok()) return found.status();
  std::vector<std::string> names;
  for (const auto& t : found->templates) {
    const bool usual = t.name == "default" || found->templates.size() == 1;
    out.SetString(usual ? std::string("tokenizer.chat_template")
                        : fmt::format("tokenizer.chat_template.{}", t.name),
                  t.source);
    if (!usual) names.push_back(t.name);
  }
  if (!names.empty()) out.SetStrings("tokenizer.chat_templates", names);
  return OkStatus();
}

}  // namespace

Status WriteGgufTokenizer(const fs::path& folder, int64_t vocab_size, GgufBuilder& builder) {
  std::error_code error;
  const fs::path json = folder / "tokenizer.json";
  const bool has_json = fs::exists(json, error);
  const Status s = has_json ? WriteJson(json, vocab_size, builder)
                            : WriteModel(folder / "tokenizer.model", vocab_size, builder);
  if (!s.ok()) return s;
  // What is put around a text is what the tokenizer puts around the empty one.
  const Result<Tokenizer> tokenizer = Tokenizer::Load(folder);
  if (!tokenizer.ok()) return tokenizer.status();
  const Result<std::vector<TokenId>> around = tokenizer->Encode("");
  if (!around.ok()) return around.status();
  const auto bos = tokenizer->bos_id(), eos = tokenizer->eos_id();
  const bool add_bos = !around->empty() && bos && around->front() == *bos;
  const bool add_eos =
      !around->empty() && eos && around->back() == *eos && !(add_bos && around->size() == 1);
  builder.SetBool("tokenizer.ggml.add_bos_token", add_bos);
  builder.SetBool("tokenizer.ggml.add_eos_token", add_eos);
  if (bos) builder.SetU32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(*bos));
  if (eos) builder.SetU32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(*eos));
  return WriteTemplates(folder, builder);
}

}  // namespace quarry::text
