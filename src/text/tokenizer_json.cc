#include "text/tokenizer_json.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/quoted.h"
#include "text/components_json.h"
#include "text/json_fields.h"

namespace quarry::text {
namespace {

constexpr size_t kMaxJsonDepth = 64;

Status ParseDocument(std::string_view json, simdjson::dom::parser& parser,
                     simdjson::dom::element& root) {
  if (const auto error = parser.allocate(json.size(), kMaxJsonDepth)) {
    return OutOfMemory(fmt::format("JSON of {} bytes: {}", json.size(), error_message(error)));
  }
  if (const auto error = parser.parse(json.data(), json.size()).get(root)) {
    if (error == simdjson::MEMALLOC) {
      return OutOfMemory(fmt::format("no memory for {} bytes of JSON", json.size()));
    }
    return CorruptData(fmt::format("not valid JSON: {}", error_message(error)));
  }
  return OkStatus();
}

// Integers of 19 digits and more written as floating-point numbers: published files have a
// model_max_length of 10^30 for "none", which simdjson refuses as an integer.
std::string WithoutLongIntegers(std::string_view json) {
  constexpr size_t kDigits = 19;
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < json.size();) {
    const char c = json[i];
    size_t n = 1;
    if (in_string && c == '\\') n = 2;
    if (c == '"') in_string = !in_string;
    if (!in_string && c >= '0' && c <= '9') {
      while (i + n < json.size() && json[i + n] >= '0' && json[i + n] <= '9') ++n;
      size_t start = i;
      if (start > 0 && json[start - 1] == '-') --start;
      const char before = start == 0 ? ' ' : json[start - 1];
      const char after = i + n < json.size() ? json[i + n] : ' ';
      const bool whole = before != '.' && before != 'e' && before != 'E' && before != '+' &&
                         after != '.' && after != 'e' && after != 'E';
      out += json.substr(i, n);
      if (whole && n >= kDigits) out += "e0";
    } else {
      out += json.substr(i, n);
    }
    i += n;
  }
  return out;
}

AddedToken ParseAddedToken(JsonFields& fields) {
  AddedToken token;
  token.content = fields.String("content");
  token.special = fields.Bool("special", false);
  token.single_word = fields.Bool("single_word", false);
  token.lstrip = fields.Bool("lstrip", false);
  token.rstrip = fields.Bool("rstrip", false);
  token.normalized = fields.Bool("normalized", !token.special);
  return token;
}

// Gives each token its id.
class Numbering {
 public:
  explicit Numbering(const Vocabulary& vocabulary)
      : vocabulary_(vocabulary), next_(static_cast<int64_t>(vocabulary.size())) {}

  TokenId IdOf(const std::string& content) {
    const TokenId id = vocabulary_.Find(content);
    if (id >= 0) {
      // An id beyond the number of tokens moves the end.
      if (id >= next_) next_ = id + 1;
      return id;
    }
    return static_cast<TokenId>(next_++);
  }

 private:
  const Vocabulary& vocabulary_;
  int64_t next_;
};

Result<std::vector<AddedToken>> ParseAddedTokens(JsonFields& root, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  std::map<int64_t, std::string> declared;
  std::map<std::string, TokenId> numbers;
  Numbering numbering(vocabulary);
  for (JsonFields& fields : root.Objects("added_tokens")) {
    const int64_t id = fields.Int("id");
    AddedToken token = ParseAddedToken(fields);
    if (!fields.ok()) return fields.status();
    if (id < 0 || id >= kMaxTokenIds) {
      return fields.Error("id", fmt::format("is {}, ids are 0 to {}", id, kMaxTokenIds - 1));
    }
    const auto [other, fresh] = declared.emplace(id, token.content);
    if (!fresh && other->second != token.content) {
      return fields.Error("id", fmt::format("is {}, which {} has too", id, Quoted(other->second)));
    }
    if (token.content.empty()) continue;
    const auto [place, first] = numbers.emplace(token.content, 0);
    if (first) place->second = numbering.IdOf(token.content);
    token.id = place->second;
    tokens.push_back(std::move(token));
  }
  if (!root.ok()) return root.status();
  return tokens;
}

// "<s>", or {"content": "<s>", ...}
std::optional<std::string> ParseTokenName(JsonFields& root, const char* key) {
  const auto value = root.Get(key);
  if (!value) return std::nullopt;
  if (value->is_object()) {
    std::optional<JsonFields> token = root.Object(key);
    std::string content(token->String("content"));
    root.Fail(token->status());
    return content;
  }
  const auto content = root.OptionalString(key);
  if (!content) return std::nullopt;
  return std::string(*content);
}

// {"0": {"content": ...}, ...}
void ParseAddedTokensDecoder(JsonFields& root, std::vector<AddedToken>& out) {
  const simdjson::dom::object members = root.Members("added_tokens_decoder");
  if (!root.ok()) return;
  for (const auto [key, value] : members) {
    JsonFields fields(value, fmt::format("added_tokens_decoder.{}", OneLine(key, 20)));
    AddedToken token = ParseAddedToken(fields);
    root.Fail(fields.status());
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || end != key.data() + key.size() || token.id < 0 ||
        token.id >= kMaxTokenIds) {
      root.Fail(root.Error("added_tokens_decoder",
                           fmt::format("has the key {}, not an id", Quoted(key))));
    }
    if (!root.ok()) return;
    out.push_back(std::move(token));
  }
  std::sort(out.begin(), out.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
}

}  // namespace

Result<TokenizerParts> ParseTokenizerJson(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (Status s = ParseDocument(json, parser, element); !s.ok()) return s;
  JsonFields root(element, "");
  if (!root.ok()) return CorruptData("the JSON is not an object");

  TokenizerParts parts;
  std::optional<JsonFields> model = root.Object("model");
  if (!root.ok()) return root.status();
  if (!model) return root.Error("model", "is missing");
  Result<std::unique_ptr<Model>> parsed_model = ParseModel(std::move(*model));
  if (!parsed_model.ok()) return parsed_model.status();
  parts.model = std::move(*parsed_model);

  if (auto fields = root.Object("normalizer"); fields && fields->ok()) {
    Result<std::unique_ptr<Normalizer>> part = ParseNormalizer(std::move(*fields));
    if (!part.ok()) return part.status();
    parts.normalizer = std::move(*part);
  }
  if (auto fields = root.Object("pre_tokenizer"); fields && fields->ok()) {
    Result<std::unique_ptr<PreTokenizer>> part = ParsePreTokenizer(std::move(*fields));
    if (!part.ok()) return part.status();
    parts.pre_tokenizer = std::move(*part);
  }
  if (auto fields = root.Object("post_processor"); fields && fields->ok()) {
    Result<std::unique_ptr<PostProcessor>> part = ParsePostProcessor(std::move(*fields));
    if (!part.ok()) return part.status();
    parts.post_processor = std::move(*part);
  }
  if (auto fields = root.Object("decoder"); fields && fields->ok()) {
    Result<std::unique_ptr<Decoder>> part = ParseDecoder(std::move(*fields));
    if (!part.ok()) return part.status();
    parts.decoder = std::move(*part);
  }
  Result<std::vector<AddedToken>> added = ParseAddedTokens(root, parts.model->vocabulary());
  if (!added.ok()) return added.status();
  parts.added_tokens = std::move(*added);
  if (!root.ok()) return root.status();
  return parts;
}

Result<TokenizerConfig> ParseTokenizerConfig(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  const std::string text = WithoutLongIntegers(json);
  if (Status s = ParseDocument(text, parser, element); !s.ok()) return s;
  JsonFields root(element, "");
  if (!root.ok()) return CorruptData("the JSON is not an object");

  TokenizerConfig config;
  config.bos_token = ParseTokenName(root, "bos_token");
  config.eos_token = ParseTokenName(root, "eos_token");
  if (root.Has("add_bos_token")) config.add_bos_token = root.Bool("add_bos_token", false);
  if (root.Has("add_eos_token")) config.add_eos_token = root.Bool("add_eos_token", false);
  if (root.Has("added_tokens_decoder")) ParseAddedTokensDecoder(root, config.added_tokens);
  if (!root.ok()) return root.status();
  return config;
}

}  // namespace quarry::text
