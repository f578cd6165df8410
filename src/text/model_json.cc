#include <cmath>

#include <fmt/format.h>

#include "base/quoted.h"
#include "text/bpe.h"
#include "text/components_json.h"
#include "text/unigram.h"
#include "text/word_piece.h"

namespace quarry::text {
namespace {

using ModelResult = Result<std::unique_ptr<Model>>;

// {"token": id, ...}
Result<Vocabulary> ParseVocabulary(JsonFields& fields) {
  const simdjson::dom::object members = fields.Members("vocab");
  if (!fields.ok()) return fields.status();
  size_t bytes = 0;
  for (const auto [token, id] : members) bytes += token.size();
  Vocabulary vocabulary;
  vocabulary.Reserve(members.size(), bytes);
  for (const auto [token, value] : members) {
    int64_t id = -1;
    if (value.get(id) != simdjson::SUCCESS) {
      return fields.Error("vocab", fmt::format("has no whole number for {}", Quoted(token)));
    }
    if (Status s = vocabulary.Add(token, id); !s.ok()) {
      return s.WithPrefix(fields.where() + ".vocab");
    }
  }
  return vocabulary;
}

// One merge, "left right" or ["left", "right"].
bool ReadMerge(simdjson::dom::element element, std::string_view& left, std::string_view& right) {
  std::string_view line;
  if (element.get(line) == simdjson::SUCCESS) {
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return false;
    left = line.substr(0, blank);
    right = line.substr(blank + 1);
    return right.find(' ') == std::string_view::npos;
  }
  simdjson::dom::array pair;
  return element.get(pair) == simdjson::SUCCESS && pair.size() == 2 &&
         pair.at(0).get(left) == simdjson::SUCCESS && pair.at(1).get(right) == simdjson::SUCCESS;
}

Result<std::vector<Merge>> ParseMerges(JsonFields& fields, const Vocabulary& vocabulary,
                                       size_t prefix_length) {
  const simdjson::dom::array elements = fields.Elements("merges");
  if (!fields.ok()) return fields.status();
  if (elements.size() > kMaxMerges) {
    return fields.Error("merges",
                        fmt::format("has {} elements, at most {}", elements.size(), kMaxMerges));
  }
  std::vector<Merge> merges;
  merges.reserve(elements.size());
  uint32_t rank = 0;
  for (const simdjson::dom::element element : elements) {
    std::string_view text, left, right;
    if (element.get(text) == simdjson::SUCCESS && text.starts_with("#version")) continue;
    const auto place = [&] { return fmt::format("{}.merges[{}]", fields.where(), rank); };
    if (!ReadMerge(element, left, right)) {
      return CorruptData(place() +
                         ": must be two tokens with a blank between, or a pair of tokens");
    }
    const Result<Merge> merge = FindMerge(vocabulary, left, right, rank, prefix_length);
    if (!merge.ok()) return merge.status().WithPrefix(place());
    merges.push_back(*merge);
    ++rank;
  }
  return merges;
}

// A prefix or suffix of characters inside a word.
std::string Affix(JsonFields& fields, const char* key, std::string_view absent) {
  const std::string_view affix = fields.OptionalString(key).value_or(absent);
  if (affix.size() > kMaxAffixBytes) {
    fields.Fail(fields.Error(key, fmt::format("is {} of {} bytes, at most {}", Quoted(affix, 20),
                                              affix.size(), kMaxAffixBytes)));
  }
  return std::string(affix.substr(0, kMaxAffixBytes));
}

ModelResult ParseBpe(JsonFields& fields) {
  double dropout = 0;
  if (const auto value = fields.Get("dropout"); value && value->get(dropout) != simdjson::SUCCESS) {
    return fields.Error("dropout", "must be a number");
  }
  if (dropout != 0) {
    return Unsupported(
        fmt::format("{}: dropout is {}, Quarry encodes without", fields.where(), dropout));
  }
  BpeOptions options;
  if (const auto unk = fields.OptionalString("unk_token")) options.unk_token = *unk;
  options.fuse_unk = fields.Bool("fuse_unk", false);
  options.byte_fallback = fields.Bool("byte_fallback", false);
  options.ignore_merges = fields.Bool("ignore_merges", false);
  options.continuing_prefix = Affix(fields, "continuing_subword_prefix", "");
  options.end_suffix = Affix(fields, "end_of_word_suffix", "");
  if (!fields.ok()) return fields.status();
  Result<Vocabulary> vocabulary = ParseVocabulary(fields);
  if (!vocabulary.ok()) return vocabulary.status();
  const Result<std::vector<Merge>> merges =
      ParseMerges(fields, *vocabulary, options.continuing_prefix.size());
  if (!merges.ok()) return merges.status();
  auto model = BpeModel::Create(std::move(*vocabulary), *merges, std::move(options));
  if (!model.ok()) return model.status().WithPrefix(fields.where());
  return std::unique_ptr<Model>(std::move(*model));
}

// [["token", score], ...]
ModelResult ParseUnigram(JsonFields& fields) {
  const simdjson::dom::array pieces = fields.Elements("vocab");
  UnigramOptions options;
  options.byte_fallback = fields.Bool("byte_fallback", false);
  const auto unk = fields.OptionalInt("unk_id");
  if (!fields.ok()) return fields.status();
  Vocabulary vocabulary;
  std::vector<double> scores;
  for (const simdjson::dom::element element : pieces) {
    simdjson::dom::array pair;
    std::string_view token;
    double score = 0;
    if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
        pair.at(0).get(token) != simdjson::SUCCESS || pair.at(1).get(score) != simdjson::SUCCESS) {
      return fields.Error("vocab",
                          fmt::format("must have a token and its score at {}", scores.size()));
    }
    if (Status s = vocabulary.Add(token, static_cast<int64_t>(scores.size())); !s.ok()) {
      return s.WithPrefix(fields.where() + ".vocab");
    }
    scores.push_back(score);
  }
  if (unk) {
    if (*unk < 0 || static_cast<size_t>(*unk) >= scores.size()) {
      return fields.Error("unk_id", fmt::format("is {}, there are {} tokens", *unk, scores.size()));
    }
    options.unk = static_cast<TokenId>(*unk);
  }
  auto model = UnigramModel::Create(std::move(vocabulary), std::move(scores), std::move(options));
  if (!model.ok()) return model.status().WithPrefix(fields.where());
  return std::unique_ptr<Model>(std::move(*model));
}

ModelResult ParseWordPiece(JsonFields& fields) {
  WordPieceOptions options;
  options.unk_token = fields.OptionalString("unk_token").value_or("[UNK]");
  options.continuing_prefix = Affix(fields, "continuing_subword_prefix", "##");
  const int64_t max_chars = fields.OptionalInt("max_input_chars_per_word").value_or(100);
  if (!fields.ok()) return fields.status();
  if (max_chars < 0) return fields.Error("max_input_chars_per_word", "must not be negative");
  options.max_chars_per_word = static_cast<size_t>(max_chars);
  Result<Vocabulary> vocabulary = ParseVocabulary(fields);
  if (!vocabulary.ok()) return vocabulary.status();
  auto model = WordPieceModel::Create(std::move(*vocabulary), std::move(options));
  if (!model.ok()) return model.status().WithPrefix(fields.where());
  return std::unique_ptr<Model>(std::move(*model));
}

ModelResult ParseWordLevel(JsonFields& fields) {
  const std::string unk(fields.String("unk_token"));
  if (!fields.ok()) return fields.status();
  Result<Vocabulary> vocabulary = ParseVocabulary(fields);
  if (!vocabulary.ok()) return vocabulary.status();
  return std::unique_ptr<Model>(std::make_unique<WordLevelModel>(std::move(*vocabulary), unk));
}

// Older files leave the type out; the fields tell.
std::string_view TypeOf(JsonFields& fields) {
  if (const auto type = fields.OptionalString("type")) return *type;
  if (fields.Has("merges")) return "BPE";
  if (fields.Has("max_input_chars_per_word")) return "WordPiece";
  const auto vocab = fields.Get("vocab");
  return vocab && vocab->is_array() ? "Unigram" : "WordLevel";
}

}  // namespace

ModelResult ParseModel(JsonFields fields) {
  const std::string_view type = TypeOf(fields);
  if (!fields.ok()) return fields.status();
  if (type == "BPE") return ParseBpe(fields);
  if (type == "Unigram") return ParseUnigram(fields);
  if (type == "WordPiece") return ParseWordPiece(fields);
  if (type == "WordLevel") return ParseWordLevel(fields);
  return Unsupported(fmt::format("{}: the model type {}", fields.where(), Quoted(type)));
}

}  // namespace quarry::text
