#include "text/gguf_pre_tokenizers.h"

#include <utility>

#include <fmt/format.h>

#include "base/quoted.h"
#include "text/unicode.h"

namespace quarry::text {
namespace {

using Kind = PreTokenizerStep::Kind;

PreTokenizerStep Split(std::string pattern) { return {Kind::kSplit, std::move(pattern)}; }

// Words with what stands before them, runs of digits as `digits` has them, punctuation, blanks.
std::string Cl100k(std::string_view digits) {
  return fmt::format(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*)"
      R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
      digits);
}

// Words by case: capitals before small letters; `ending` behind a word, `digits` as above.
std::string ByCase(std::string_view ending, std::string_view digits) {
  constexpr std::string_view kUpper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
  constexpr std::string_view kLower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  constexpr std::string_view kBefore = R"([^\r\n\p{L}\p{N}]?)";
  return fmt::format(
      R"({0}{1}*{2}+{3}|{0}{1}+{2}*{3}|{4}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      kBefore, kUpper, kLower, ending, digits);
}

const std::vector<GgufPreTokenizer>& Entries() {
  static const std::vector<GgufPreTokenizer> entries = {
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es",
        "jina-v2-de", "jina-v2-code", "gigachat", "roberta-bpe", "exaone4"},
       {{Kind::kGpt2, ""}}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
       {{Kind::kDigits, ""}, {Kind::kGpt2, ""}}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {Split(Cl100k(R"(\p{N}{1,3})"))},
       /*ignore_merges=*/true,
       /*nfc=*/false,
       /*add_bos=*/true},
      {{"glm4", "chatglm-bpe", "dbrx", "smaug-bpe"}, {Split(Cl100k(R"(\p{N}{1,3})"))}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan"},
       {Split(Cl100k(R"(\p{N})"))},
       /*ignore_merges=*/false,
       /*nfc=*/true},
      {{"tekken"}, {Split(ByCase("", R"(\p{N})"))}, /*ignore_merges=*/true},
      {{"gpt-4o", "llama4"}, {Split(ByCase("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", R"(\p{N}{1,3})"))}},
      {{"deepseek-v3", "hunyuan-dense"},
       {Split(R"(\p{N}{1,3})"), Split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
        Split(
            R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
            R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")}},
      {{"falcon"},
       {{Kind::kPunctuation, ""},
        {Kind::kGpt2, ""},
        {Kind::kAlphabet, ""},
        {Kind::kDigitRuns, ""},
        Split("[0-9][0-9][0-9]")}},
      {{"default"},
       {Split(R"([\p{P}\$\+<=>\^~\|]+)"),
        {Kind::kGpt2, ""},
        Split(R"(\p{N}+)"),
        Split("[0-9][0-9][0-9]")}},
  };
  return entries;
}

std::unique_ptr<PreTokenizer> MakeAlphabet() {
  return std::make_unique<ByteLevelPreTokenizer>(/*add_prefix_space=*/false, nullptr);
}

}  // namespace

Result<const GgufPreTokenizer*> FindGgufPreTokenizer(std::string_view name) {
  std::string known;
  for (const GgufPreTokenizer& entry : Entries()) {
    for (std::string_view n : entry.names) {
      if (n == name) return &entry;
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.names[0]);
  }
  return Unsupported(
      fmt::format("tokenizer.ggml.pre is {}, must be one of {}, or another name of one of these",
                  Quoted(name), known));
}

const GgufPreTokenizer* FindGgufPreTokenizer(const std::vector<PreTokenizerStep>& steps,
                                             bool ignore_merges) {
  const GgufPreTokenizer* found = nullptr;
  for (const GgufPreTokenizer& entry : Entries()) {
    if (entry.steps != steps) continue;
    if (entry.ignore_merges == ignore_merges) return &entry;
    if (found == nullptr) found = &entry;
  }
  return found;
}

std::string WithEscapedLineEnds(std::string_view pattern) {
  std::string out;
  for (const char c : pattern) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

Result<std::unique_ptr<PreTokenizer>> MakePreTokenizer(const GgufPreTokenizer& entry) {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  bool written = false;  // in the alphabet
  for (const PreTokenizerStep& step : entry.steps) {
    switch (step.kind) {
      case Kind::kSplit: {
        Result<Regex> regex = Regex::Compile(step.pattern);
        if (!regex.ok()) return regex.status();
        parts.push_back(std::make_unique<SplitPreTokenizer>(
            std::move(*regex), SplitBehavior::kIsolated, /*invert=*/false));
        break;
      }
      case Kind::kDigits:
        parts.push_back(std::make_unique<CharPreTokenizer>(IsNumeric, SplitBehavior::kIsolated));
        break;
      case Kind::kDigitRuns:
        parts.push_back(std::make_unique<CharPreTokenizer>(IsNumeric, SplitBehavior::kContiguous));
        break;
      case Kind::kPunctuation:
        parts.push_back(
            std::make_unique<CharPreTokenizer>(IsPunctuation, SplitBehavior::kContiguous));
        break;
      case Kind::kGpt2: {
        Result<std::unique_ptr<SplitPreTokenizer>> split = MakeGpt2Split();
        if (!split.ok()) return split.status();
        parts.push_back(std::move(*split));
        break;
      }
      case Kind::kAlphabet:
        parts.push_back(MakeAlphabet());
        written = true;
        break;
    }
  }
  if (!written) parts.push_back(MakeAlphabet());
  return std::unique_ptr<PreTokenizer>(std::make_unique<PreTokenizerSequence>(std::move(parts)));
}

}  // namespace quarry::text
