// The pre-tokenizers that GGUF files name in tokenizer.ggml.pre. The file has the name only; the
// expressions are those of the tokenizers the names stand for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "text/pre_tokenizer.h"

namespace quarry::text {

// One thing that a pre-tokenizer does to a text.
struct PreTokenizerStep {
  enum class Kind {
    kSplit,        // isolate the matches of `pattern`
    kDigits,       // every digit alone
    kDigitRuns,    // runs of digits
    kPunctuation,  // runs of punctuation
    kGpt2,         // GPT-2's expression
    kAlphabet,     // write bytes as letters, which later steps see; otherwise that comes last
  };
  Kind kind;
  std::string pattern;  // of kSplit

  friend bool operator==(const PreTokenizerStep&, const PreTokenizerStep&) = default;
};

struct GgufPreTokenizer {
  std::vector<std::string_view> names;  // the first is written
  std::vector<PreTokenizerStep> steps;
  bool ignore_merges = false;  // see BpeOptions
  bool nfc = false;            // normalise first
  bool add_bos = false;        // where the file does not say
};

// Unsupported, with the names that are known, for another one.
Result<const GgufPreTokenizer*> FindGgufPreTokenizer(std::string_view name);

// The entry with these steps; null if none has them.
const GgufPreTokenizer* FindGgufPreTokenizer(const std::vector<PreTokenizerStep>& steps,
                                             bool ignore_merges);

// The same expression written with escapes for line ends, as entries have it.
std::string WithEscapedLineEnds(std::string_view pattern);

// Ends with the byte-level alphabet.
Result<std::unique_ptr<PreTokenizer>> MakePreTokenizer(const GgufPreTokenizer& entry);

}  // namespace quarry::text
