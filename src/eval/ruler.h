// Tasks of RULER (Hsieh et al., arXiv:2404.06654) as MInference's copy of its generators makes
// them: the same random streams and the same search for the size, so that the same word lists,
// essays and tokenizer give the same prompts. docs/evaluation.md lists the tasks.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "eval/word_lists.h"

namespace quarry::eval {

// Tokens of a text, without special tokens.
using TokenCount = std::function<Result<int64_t>(std::string_view text)>;

struct RulerInputs {
  int64_t limit = 0;  // prompt and answer, in tokens
  int64_t samples = 0;
  uint64_t seed = 42;
  TokenCount count;
  const WordPairs* keys = nullptr;          // for key words
  std::span<const std::string> essay = {};  // words; at least `limit` for a full prompt
  // Steps of 50 words instead of 500 while looking for the size: for tokenizers with small
  // vocabularies and short limits, where 500 words are most of the prompt.
  bool small_steps = false;
};

struct RulerSample {
  std::string prompt;         // the task's text
  std::string answer_prefix;  // the beginning of the answer, given
  std::string query;          // what is asked for, as it stands in the prompt
  std::vector<std::string> answers;
  int64_t length = 0;  // tokens of prompt and prefix, and of the answer at most
};

enum class NiahHaystack { kRepeat, kEssay, kNeedle };
enum class NiahType { kWords, kNumbers, kUuids };

struct NiahParameters {
  std::string_view name;
  NiahHaystack haystack = NiahHaystack::kRepeat;
  NiahType keys = NiahType::kWords;
  NiahType values = NiahType::kNumbers;
  int n_keys = 1;
  int n_values = 1;
  int n_queries = 1;
};

// niah_single_1 ... niah_multiquery, in RULER's order.
std::span<const NiahParameters> NiahTasks();

inline constexpr int64_t kNiahNewTokens = 128;
inline constexpr int64_t kVtNewTokens = 30;
inline constexpr int64_t kCweNewTokens = 120;
inline constexpr int64_t kFweNewTokens = 50;

// Errors: a limit that not even the smallest haystack fits.
Result<std::vector<RulerSample>> GenerateNiah(const NiahParameters& task, const RulerInputs& in);
Result<std::vector<RulerSample>> GenerateVt(const RulerInputs& in);
// The budget of the answer is not reserved: a prompt may fill the limit.
Result<std::vector<RulerSample>> GenerateFwe(const RulerInputs& in);
Result<std::vector<RulerSample>> GenerateCwe(const RulerInputs& in, const WordLists& words);

inline constexpr std::string_view kGrass =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

// Sentences: the text is cut after . ! or ? (and closing quotes or brackets) where white space and
// an upper-case letter, a digit or an opening quote follow; that white space is dropped.
std::vector<std::string> SplitSentences(std::string_view text);

// Replaces every `from`.
std::string Replace(std::string text, std::string_view from, std::string_view to);

}  // namespace quarry::eval
