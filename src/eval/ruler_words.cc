// The aggregation tasks of RULER: frequent coded words (fwe) and common words (cwe).

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eval/python_random.h"
#include "eval/ruler.h"

namespace quarry::eval {
namespace {

// fwe: the most frequent coded words.

constexpr std::string_view kFweTemplate =
    "Read the following coded text and track the frequency of each coded word. Find the three most "
    "frequently appeared coded words. {context}\nQuestion: Do not provide any explanation. Please "
    "ignore the dots '....'. What are the three most frequently appeared words in the above coded "
    "text?";
constexpr std::string_view kFwePrefix =
    " Answer: According to the coded text above, the three most frequently appeared words are:";
constexpr int kCodedLength = 6;

struct CodedText {
  std::string prompt;
  int64_t tokens = 0;  // of prompt and prefix
};

Result<CodedText> MakeCodedText(const std::vector<std::string>& vocabulary, int64_t words,
                                const RulerInputs& in) {
  constexpr double kZeta2 = 1.6449340668482264;
  std::vector<std::string> drawn;
  for (size_t rank = 1; rank <= vocabulary.size(); ++rank) {
    const double share = std::pow(static_cast<double>(rank), -2.0);
    const auto n = static_cast<int64_t>(static_cast<double>(words) * share / kZeta2);
    drawn.insert(drawn.end(), static_cast<size_t>(std::max<int64_t>(n, 0)), vocabulary[rank - 1]);
  }
  PythonRandom(in.seed).Shuffle(drawn);
  CodedText text;
  text.prompt =
      Replace(std::string(kFweTemplate), "{context}", fmt::format("{}", fmt::join(drawn, " ")));
  const Result<int64_t> tokens = in.count(text.prompt + std::string(kFwePrefix));
  if (!tokens.ok()) return tokens.status();
  text.tokens = *tokens;
  return text;
}

std::vector<std::string> DrawVocabulary(PythonRandom& random, int64_t size, uint64_t seed) {
  std::set<std::string> distinct;
  for (int64_t drawn = 0; drawn < size || static_cast<int64_t>(distinct.size()) < size; ++drawn) {
    distinct.insert(random.Choices("abcdefghijklmnopqrstuvwxyz", kCodedLength));
  }
  std::vector<std::string> vocabulary(distinct.begin(), distinct.end());
  PythonRandom(seed).Shuffle(vocabulary);
  vocabulary[0] = "...";
  return vocabulary;
}

// cwe: the most common words of a list.

constexpr std::string_view kCweTemplate =
    "Below is a numbered list of words. In these words, some appear more often than others. "
    "Memorize the ones that appear most often.\n{context}\nQuestion: What are the 10 most common "
    "words in the above list?";
constexpr std::string_view kCwePrefix =
    " Answer: The top 10 words that appear most often in the list are:";
constexpr int64_t kCommon = 10;

std::string Numbered(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}{}. {}", i == 0 ? "" : " ", i + 1, words[i]);
  }
  return out;
}

struct WordQuestion {
  std::string prompt;
  std::vector<std::string> answers;
};

WordQuestion MakeWordQuestion(PythonRandom& random, const std::vector<std::string>& words,
                              int64_t n_words, int repeats_common, int repeats_other,
                              uint64_t seed) {
  WordQuestion q;
  std::vector<std::string> list, others;
  for (int64_t i : random.Sample(static_cast<int64_t>(words.size()), n_words)) {
    auto& part = static_cast<int64_t>(q.answers.size()) < kCommon ? q.answers : others;
    part.push_back(words[static_cast<size_t>(i)]);
  }
  for (int r = 0; r < repeats_common; ++r) {
    list.insert(list.end(), q.answers.begin(), q.answers.end());
  }
  for (int r = 0; r < repeats_other; ++r) list.insert(list.end(), others.begin(), others.end());
  PythonRandom(seed).Shuffle(list);
  q.prompt = Replace(std::string(kCweTemplate), "{context}", Numbered(list));
  return q;
}

}  // namespace

Result<std::vector<RulerSample>> GenerateFwe(const RulerInputs& in) {
  const int64_t vocabulary_size = in.limit / 50;
  if (vocabulary_size < 8) {
    return InvalidArgument(
        fmt::format("fwe: length {} is too short, must be at least 400", in.limit));
  }
  const int64_t step = in.limit / 32;
  PythonRandom random(in.seed);
  // `words` goes down by steps until the text fits.
  const auto fit = [&](const std::vector<std::string>& vocabulary,
                       int64_t words) -> Result<CodedText> {
    Result<CodedText> text = MakeCodedText(vocabulary, words, in);
    while (text.ok() && text->tokens > in.limit && words > step) {
      words -= step;
      text = MakeCodedText(vocabulary, words, in);
    }
    return text;
  };

  int64_t words = in.limit / kCodedLength;
  const std::vector<std::string> first = DrawVocabulary(random, vocabulary_size, in.seed);
  for (;;) {
    const Result<CodedText> text = MakeCodedText(first, words, in);
    if (!text.ok()) return text.status();
    if (text->tokens >= in.limit) break;
    words += step;
  }
  words -= step;

  std::vector<RulerSample> samples;
  for (int64_t i = 0; i < in.samples; ++i) {
    const std::vector<std::string> vocabulary = DrawVocabulary(random, vocabulary_size, in.seed);
    Result<CodedText> text = fit(vocabulary, words);
    if (!text.ok()) return text.status();
    if (text->tokens > in.limit) {
      return InvalidArgument(
          fmt::format("fwe: length {} is too short, the smallest prompt takes {} tokens", in.limit,
                      text->tokens));
    }
    RulerSample s;
    s.prompt = std::move(text->prompt);
    s.answer_prefix = kFwePrefix;
    s.answers.assign(vocabulary.begin() + 1, vocabulary.begin() + 4);
    s.length = text->tokens + kFweNewTokens;
    samples.push_back(std::move(s));
  }
  return samples;
}

Result<std::vector<RulerSample>> GenerateCwe(const RulerInputs& in, const WordLists& lists) {
  std::set<std::string> distinct;
  for (const auto* list : {&lists.nouns, &lists.adjectives, &lists.verbs}) {
    distinct.insert(list->begin(), list->end());
  }
  std::vector<std::string> words(distinct.begin(), distinct.end());
  PythonRandom(in.seed).Shuffle(words);
  const auto n_words = static_cast<int64_t>(words.size());
  if (n_words < 40) {
    return CorruptData(fmt::format("cwe: {} words, at least 40 are needed", n_words));
  }

  const bool is_short = in.limit < 4096;
  PythonRandom random(in.seed);
  const auto make = [&](int64_t n) {
    const WordQuestion shown = is_short ? MakeWordQuestion(random, words, 20, 3, 1, in.seed)
                                        : MakeWordQuestion(random, words, 40, 10, 3, in.seed);
    WordQuestion asked =
        MakeWordQuestion(random, words, n, is_short ? 6 : 30, is_short ? 1 : 3, in.seed);
    RulerSample s;
    s.prompt =
        fmt::format("{}{}{}\n{}", shown.prompt, kCwePrefix, Numbered(shown.answers), asked.prompt);
    s.answer_prefix = kCwePrefix;
    s.answers = std::move(asked.answers);
    return s;
  };
  constexpr int64_t kStep = 10;
  int64_t n = kStep, total = 0;
  while (total + kCweNewTokens < in.limit) {
    const RulerSample s = make(n);
    const Result<int64_t> tokens = in.count(s.prompt + s.answer_prefix + " " + Numbered(s.answers));
    if (!tokens.ok()) return tokens.status();
    total = *tokens;
    if (total + kCweNewTokens > in.limit) {
      n -= kStep;
      break;
    }
    n += kStep;
    if (n > n_words) {
      n = n_words;
      break;
    }
  }
  if (n < kStep) {
    return InvalidArgument(fmt::format(
        "cwe: length {} is too short, its smallest prompt and the answer take {} tokens", in.limit,
        total + kCweNewTokens));
  }
  std::vector<RulerSample> samples;
  for (int64_t i = 0; i < in.samples; ++i) {
    constexpr int kMaxDraws = 1000;
    int64_t used = n;
    for (int draw = 0;; ++draw) {
      RulerSample s = make(used);
      const Result<int64_t> tokens = in.count(s.prompt + s.answer_prefix);
      if (!tokens.ok()) return tokens.status();
      s.length = *tokens + kCweNewTokens;
      if (s.length <= in.limit) {
        samples.push_back(std::move(s));
        break;
      }
      if (draw == kMaxDraws) {
        return InvalidArgument(fmt::format(
            "cwe: length {} is too short, the smallest prompt and the answer take {} tokens",
            in.limit, s.length));
      }
      if (used > kStep) used -= kStep;
    }
  }
  return samples;
}

}  // namespace quarry::eval
