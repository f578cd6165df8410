#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/quoted.h"
#include "text/components_json.h"
#include "text/unicode.h"

namespace quarry::text {
namespace {

using PreTokenizerResult = Result<std::unique_ptr<PreTokenizer>>;

constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kBehaviors = {{
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
}};

PreTokenizerResult Made(const JsonFields& fields, std::unique_ptr<PreTokenizer> made) {
  if (!fields.ok()) return fields.status();
  return made;
}

PreTokenizerResult ParseSplit(JsonFields& fields) {
  Result<Pattern> pattern = ParsePattern(fields, "pattern");
  if (!pattern.ok()) return pattern.status();
  const Result<SplitBehavior> behavior = ParseBehavior(fields, nullptr);
  if (!behavior.ok()) return behavior.status();
  const bool invert = fields.Bool("invert", false);
  return Made(fields, std::make_unique<SplitPreTokenizer>(std::move(*pattern), *behavior, invert));
}

PreTokenizerResult ParseByteLevel(JsonFields& fields) {
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  const bool use_regex = fields.Bool("use_regex", true);
  if (!fields.ok()) return fields.status();
  std::unique_ptr<SplitPreTokenizer> split;
  if (use_regex) {
    Result<std::unique_ptr<SplitPreTokenizer>> made = MakeGpt2Split();
    if (!made.ok()) return made.status();
    split = std::move(*made);
  }
  return Made(fields, std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, std::move(split)));
}

// Newer files have prepend_scheme and split, older ones add_prefix_space.
PreTokenizerResult ParseMetaspace(JsonFields& fields) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  const std::string mark(fields.Char("replacement"));
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  const auto scheme = fields.OptionalString("prepend_scheme");
  const bool split = fields.Bool("split", true);
  if (!fields.ok()) return fields.status();
  Prepend prepend = add_prefix_space ? Prepend::kAlways : Prepend::kNever;
  if (scheme == "always" || scheme == "first") {
    if (!add_prefix_space) {
      return fields.Error("prepend_scheme",
                          fmt::format("is {}, but add_prefix_space is false", Quoted(*scheme)));
    }
    prepend = scheme == "always" ? Prepend::kAlways : Prepend::kFirst;
  } else if (scheme == "never") {
    prepend = Prepend::kNever;
  } else if (scheme) {
    return fields.Error("prepend_scheme",
                        fmt::format("is {}, must be always, first or never", Quoted(*scheme)));
  }
  return Made(fields, std::make_unique<MetaspacePreTokenizer>(mark, prepend, split));
}

// White space goes, punctuation is isolated.
std::unique_ptr<PreTokenizer> MakeBert() {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  parts.push_back(std::make_unique<CharPreTokenizer>(IsWhitespace, SplitBehavior::kRemoved));
  parts.push_back(std::make_unique<CharPreTokenizer>(IsPunctuation, SplitBehavior::kIsolated));
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

}  // namespace

Result<Pattern> ParsePattern(JsonFields& fields, const char* key) {
  std::optional<JsonFields> pattern = fields.Object(key);
  if (!fields.ok()) return fields.status();
  if (!pattern) return fields.Error(key, "is missing");
  const auto literal = pattern->OptionalString("String");
  const auto regex = pattern->OptionalString("Regex");
  if (!pattern->ok()) return pattern->status();
  if (literal.has_value() == regex.has_value()) {
    return fields.Error(key, "must have either \"String\" or \"Regex\"");
  }
  // The empty string matches between any two characters, as the empty expression does.
  if (literal && !literal->empty()) return Pattern(std::string(*literal));
  Result<Regex> compiled = Regex::Compile(regex.value_or(""));
  if (!compiled.ok()) {
    const Status& s = compiled.status();
    // What is wrong with the expression is wrong with the file.
    const bool corrupt = s.code() == StatusCode::kInvalidArgument;
    return (corrupt ? CorruptData(s.message()) : s).WithPrefix(fields.where());
  }
  return Pattern(std::move(*compiled));
}

Result<SplitBehavior> ParseBehavior(JsonFields& fields, const char* absent) {
  const std::string_view name = absent != nullptr && !fields.Has("behavior")
                                    ? std::string_view(absent)
                                    : fields.String("behavior");
  if (!fields.ok()) return fields.status();
  for (const auto& [known, behavior] : kBehaviors) {
    if (name == known) return behavior;
  }
  return fields.Error("behavior", fmt::format("is {}, which is none", Quoted(name)));
}

Status CheckDepth(const JsonFields& fields, int depth) {
  if (depth < kMaxSequenceDepth) return OkStatus();
  return Unsupported(
      fmt::format("{}: sequences nested deeper than {}", fields.where(), kMaxSequenceDepth));
}

Status CheckParts(JsonFields& fields, const char* key) {
  const size_t n = fields.Elements(key).size();
  if (!fields.ok()) return fields.status();
  if (n <= kMaxSequenceParts) return OkStatus();
  return fields.Error(key, fmt::format("has {} parts, at most {}", n, kMaxSequenceParts));
}

PreTokenizerResult ParsePreTokenizer(JsonFields fields, int depth) {
  const std::string_view type = fields.String("type");
  if (!fields.ok()) return fields.status();
  if (type == "Split") return ParseSplit(fields);
  if (type == "ByteLevel") return ParseByteLevel(fields);
  if (type == "Metaspace") return ParseMetaspace(fields);
  if (type == "BertPreTokenizer") return MakeBert();
  if (type == "Whitespace") return Made(fields, std::make_unique<WordPreTokenizer>());
  if (type == "WhitespaceSplit") {
    return Made(fields, std::make_unique<CharPreTokenizer>(IsWhitespace, SplitBehavior::kRemoved));
  }
  if (type == "Digits") {
    const bool individual = fields.Bool("individual_digits", false);
    return Made(fields,
                std::make_unique<CharPreTokenizer>(
                    IsNumeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  }
  if (type == "Punctuation") {
    const Result<SplitBehavior> behavior = ParseBehavior(fields, "Isolated");
    if (!behavior.ok()) return behavior.status();
    return Made(fields, std::make_unique<CharPreTokenizer>(IsPunctuation, *behavior));
  }
  if (type == "CharDelimiterSplit") {
    const std::string delimiter(fields.Char("delimiter"));
    return Made(fields, std::make_unique<SplitPreTokenizer>(delimiter, SplitBehavior::kRemoved,
                                                            /*invert=*/false));
  }
  if (type == "FixedLength") {
    const int64_t length = fields.OptionalInt("length").value_or(5);
    if (fields.ok() && length < 1) return fields.Error("length", "must be at least 1");
    return Made(fields, std::make_unique<FixedLengthPreTokenizer>(static_cast<size_t>(length)));
  }
  if (type == "Sequence") {
    auto parts = ParseParts<PreTokenizer>(fields, "pretokenizers", depth, ParsePreTokenizer);
    if (!parts.ok()) return parts.status();
    return Made(fields, std::make_unique<PreTokenizerSequence>(std::move(*parts)));
  }
  return Unsupported(fmt::format("{}: the pre-tokenizer {}", fields.where(), Quoted(type)));
}

}  // namespace quarry::text
