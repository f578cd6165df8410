#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eval/python_random.h"
#include "eval/ruler.h"

namespace quarry::eval {
namespace {

constexpr int kHops = 4;
constexpr int kNames = kHops + 1;

constexpr std::string_view kTemplate =
    "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
    "{context}\nQuestion: Find all variables that are assigned the value {query} in the text "
    "above.";
// The template of the example: white space collapsed, and the last word gone with what was meant to
// be a model template's tail.
constexpr std::string_view kExampleTemplate =
    "Memorize and track the chain(s) of variable assignment hidden in the following text. "
    "{context} Question: Find all variables that are assigned the value {query} in the text";
constexpr std::string_view kPrefix =
    " Answer: According to the chain(s) of variable assignment in the text above, 5 variables are "
    "assgined the value {query}, they are: ";

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), numpy_(static_cast<uint32_t>(seed)) {}

  RulerSample Make(int64_t noises, bool example) {
    const std::vector<std::string> names = DrawNames(example ? 3 : 5);
    RulerSample s;
    s.query = fmt::to_string(numpy_.RandInt(10000, 99999));
    std::vector<std::string> chain = {fmt::format("VAR {} = {}", names[0], s.query)};
    for (int j = 0; j < kHops; ++j) {
      chain.push_back(fmt::format("VAR {} = VAR {} ", names[static_cast<size_t>(j + 1)],
                                  names[static_cast<size_t>(j)]));
    }
    std::vector<std::string> sentences = Noise(noises);
    std::vector<int64_t> at =
        random_.Sample(static_cast<int64_t>(sentences.size()), static_cast<int64_t>(chain.size()));
    std::sort(at.begin(), at.end());
    for (size_t j = 0; j < chain.size(); ++j) {
      sentences.insert(sentences.begin() + at[j] + static_cast<std::ptrdiff_t>(j), chain[j]);
    }
    const std::string context =
        Replace(fmt::format("{}", fmt::join(sentences, " ")), ". \n", ".\n");
    const std::string_view text = example ? kExampleTemplate : kTemplate;
    s.prompt = Replace(Replace(std::string(text), "{query}", s.query), "{context}", context);
    s.answer_prefix = Replace(std::string(kPrefix), "{query}", s.query);
    s.answers = names;
    return s;
  }

 private:
  std::vector<std::string> DrawNames(int letters) {
    std::vector<std::string> names;
    std::set<std::string> distinct;
    while (names.size() < kNames || distinct.size() < kNames) {
      names.push_back(random_.Choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", letters));
      distinct.insert(names.back());
    }
    names.resize(kNames);
    return names;
  }

  static std::vector<std::string> Noise(int64_t n) {
    const std::string line = std::string(kGrass) + "\n";
    if (n > kNames) return std::vector<std::string>(static_cast<size_t>(n), line);
    // Too few lines to put a chain between: cut them at full stops.
    std::vector<std::string> pieces;
    for (int64_t i = 0; i < n; ++i) {
      for (size_t begin = 0; begin < line.size();) {
        const size_t stop = line.find('.', begin);
        const size_t end = stop == std::string::npos ? line.size() : stop + 1;
        pieces.push_back(line.substr(begin, end - begin));
        begin = end;
      }
    }
    return pieces;
  }

  PythonRandom random_;
  NumpyRandom numpy_;
};

// How Python prints a list of names: "['A', 'B']".
std::string PythonList(const std::vector<std::string>& names) {
  return fmt::format("['{}']", fmt::join(names, "', '"));
}

struct Series {
  int64_t limit = 0;
  int64_t step = 0;
  int64_t samples = 0;
  int64_t example_tokens = 0;
  bool example = false;
};

Result<std::vector<RulerSample>> Generate(Generator& generator, const Series& series,
                                          const TokenCount& count) {
  const int64_t reserved = kVtNewTokens + series.example_tokens;
  const auto too_short = [&](int64_t needed) {
    return InvalidArgument(
        fmt::format("vt: {} of {} tokens is too short, its smallest prompt and the answer take {} "
                    "with this tokenizer",
                    series.example ? "an example" : "a length", series.limit,
                    std::max(needed, series.limit + 1)));
  };
  int64_t n = series.step, total = 0;
  while (total + reserved < series.limit) {
    const RulerSample s = generator.Make(n, series.example);
    const Result<int64_t> tokens = count(s.prompt + s.answer_prefix + " " + PythonList(s.answers));
    if (!tokens.ok()) return tokens.status();
    total = *tokens;
    if (total + reserved > series.limit) {
      n -= series.step;
      break;
    }
    n += series.step;
  }
  if (n < series.step) return too_short(total + reserved);

  constexpr int kMaxDraws = 1000;
  std::vector<RulerSample> samples;
  for (int64_t i = 0; i < series.samples; ++i) {
    for (int draw = 0;; ++draw) {
      RulerSample s = generator.Make(n, series.example);
      const Result<int64_t> tokens = count(s.prompt + s.answer_prefix);
      if (!tokens.ok()) return tokens.status();
      s.length = *tokens + reserved;
      if (s.length <= series.limit) {
        samples.push_back(std::move(s));
        break;
      }
      if (draw == kMaxDraws) return too_short(s.length);
    }
  }
  return samples;
}

}  // namespace

Result<std::vector<RulerSample>> GenerateVt(const RulerInputs& in) {
  constexpr int64_t kExampleLimit = 500;
  Generator generator(in.seed);
  Result<std::vector<RulerSample>> example = Generate(
      generator, {.limit = kExampleLimit, .step = 5, .samples = 1, .example = true}, in.count);
  if (!example.ok()) return example.status();
  const RulerSample& shown = (*example)[0];
  const std::string icl =
      fmt::format("{}{} {}\n\n", shown.prompt, shown.answer_prefix, fmt::join(shown.answers, " "));
  const Result<int64_t> icl_tokens = in.count(icl);
  if (!icl_tokens.ok()) return icl_tokens.status();
  Result<std::vector<RulerSample>> samples = Generate(
      generator,
      {.limit = in.limit, .step = 10, .samples = in.samples, .example_tokens = *icl_tokens},
      in.count);
  if (!samples.ok()) return samples.status();
  for (RulerSample& s : *samples) s.prompt = " " + icl + "\n\n" + s.prompt;
  return samples;
}

}  // namespace quarry::eval
