#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eval/python_random.h"
#include "eval/ruler.h"

namespace quarry::eval {
namespace {

using enum NiahHaystack;
using enum NiahType;

constexpr NiahParameters kTasks[] = {
    {"niah_single_1", kRepeat, kWords, kNumbers, 1, 1, 1},
    {"niah_single_2", kEssay, kWords, kNumbers, 1, 1, 1},
    {"niah_single_3", kEssay, kWords, kUuids, 1, 1, 1},
    {"niah_multikey_1", kEssay, kWords, kNumbers, 4, 1, 1},
    {"niah_multikey_2", kNeedle, kWords, kNumbers, 1, 1, 1},
    {"niah_multikey_3", kNeedle, kUuids, kUuids, 1, 1, 1},
    {"niah_multivalue", kEssay, kWords, kNumbers, 1, 4, 1},
    {"niah_multiquery", kEssay, kWords, kNumbers, 4, 1, 4},
};

// round(linspace(0, 100, 40))
constexpr int kDepths[] = {0,  3,  5,  8,  10, 13, 15, 18, 21, 23, 26, 28, 31, 33,
                           36, 38, 41, 44, 46, 49, 51, 54, 56, 59, 62, 64, 67, 69,
                           72, 74, 77, 79, 82, 85, 87, 90, 92, 95, 97, 100};

constexpr std::string_view kTemplate =
    "Some special magic {type} are hidden within the following text. Make sure to memorize it. I "
    "will quiz you about the {type} afterwards.\n{context}\nWhat are all the special magic {type} "
    "for {query} mentioned in the provided text?";
constexpr std::string_view kPrefix =
    " The special magic {type} for {query} mentioned in the provided text are";

std::string_view TypeName(NiahType type) {
  return type == kNumbers ? "numbers" : type == kUuids ? "uuids" : "words";
}

class Generator {
 public:
  Generator(const NiahParameters& task, const RulerInputs& in)
      : task_(task), in_(in), random_(in.seed), template_(kTemplate), prefix_(kPrefix) {
    type_ = TypeName(task.values);
    if (task.n_queries * task.n_values == 1) {
      for (std::string* text : {&template_, &prefix_}) {
        for (const auto& [from, to] : {std::pair("Some", "A"), std::pair("are all", "is"),
                                       std::pair("are", "is"), std::pair("answers", "answer")}) {
          *text = Replace(*text, from, to);
        }
      }
      type_.pop_back();
    }
  }

  RulerSample Make(int64_t n_haystack) {
    std::vector<std::string> keys, needles;
    std::vector<std::vector<std::string>> values;
    for (int k = 0; k < task_.n_keys; ++k) {
      keys.push_back(Draw(task_.keys));
      values.emplace_back();
      for (int v = 0; v < task_.n_values; ++v) {
        values.back().push_back(Draw(task_.values));
        needles.push_back(Needle(keys.back(), values.back().back()));
      }
    }
    PythonRandom(in_.seed).Shuffle(needles);
    const std::string context = task_.haystack == kEssay ? Essay(n_haystack, needles)
                                                         : Lines(n_haystack, std::move(needles));

    RulerSample sample;
    std::vector<std::string> queries;
    for (int64_t i : random_.Sample(task_.n_keys, task_.n_queries)) {
      queries.push_back(keys[static_cast<size_t>(i)]);
      const auto& v = values[static_cast<size_t>(i)];
      sample.answers.insert(sample.answers.end(), v.begin(), v.end());
    }
    sample.query = queries.back();
    if (queries.size() > 1) {
      const std::string last = std::move(queries.back());
      queries.pop_back();
      sample.query = fmt::format("{}, and {}", fmt::join(queries, ", "), last);
    }
    sample.prompt = Fill(template_, sample.query, context);
    sample.answer_prefix = Fill(prefix_, sample.query, "");
    return sample;
  }

 private:
  std::string Draw(NiahType type) {
    if (type == kNumbers) return fmt::to_string(random_.RandInt(1'000'000, 9'999'999));
    if (type == kUuids) return random_.Uuid();
    return (*in_.keys)[random_.Below(in_.keys->size())];
  }

  std::string Needle(std::string_view key, std::string_view value) const {
    return fmt::format("One of the special magic {} for {} is: {}.", TypeName(task_.values), key,
                       value);
  }

  std::string Essay(int64_t n_words, const std::vector<std::string>& needles) {
    const auto end = std::min(static_cast<size_t>(n_words), in_.essay.size());
    const std::vector<std::string> sentences =
        SplitSentences(fmt::format("{}", fmt::join(in_.essay.subspan(0, end), " ")));
    std::vector<size_t> cuts = {0};
    for (int64_t i : random_.Sample(std::size(kDepths), static_cast<int64_t>(needles.size()))) {
      cuts.push_back(static_cast<size_t>(static_cast<double>(sentences.size()) *
                                         (kDepths[static_cast<size_t>(i)] / 100.0)));
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.push_back(sentences.size());
    std::vector<std::string> pieces;
    for (size_t i = 1; i < cuts.size(); ++i) {
      pieces.push_back(fmt::format(
          "{}", fmt::join(sentences.begin() + static_cast<std::ptrdiff_t>(cuts[i - 1]),
                          sentences.begin() + static_cast<std::ptrdiff_t>(cuts[i]), " ")));
      if (i - 1 < needles.size()) pieces.push_back(needles[i - 1]);
    }
    return fmt::format("{}", fmt::join(pieces, " "));
  }

  std::string Lines(int64_t n, std::vector<std::string> needles) {
    std::vector<std::string> lines;
    lines.reserve(static_cast<size_t>(n) + needles.size());
    for (int64_t i = 0; i < n; ++i) {
      if (task_.haystack == kRepeat) {
        lines.emplace_back(kGrass);
      } else {
        const std::string key = Draw(task_.keys);
        lines.push_back(Needle(key, Draw(task_.values)));
      }
    }
    std::vector<int64_t> at = random_.Sample(n, static_cast<int64_t>(needles.size()));
    std::sort(at.rbegin(), at.rend());
    for (size_t i = 0; i < needles.size(); ++i) {
      lines.insert(lines.begin() + at[i], std::move(needles[i]));
    }
    return fmt::format("{}", fmt::join(lines, "\n"));
  }

  std::string Fill(const std::string& text, std::string_view query,
                   std::string_view context) const {
    return Replace(Replace(Replace(text, "{type}", type_), "{query}", query), "{context}", context);
  }

  const NiahParameters& task_;
  const RulerInputs& in_;
  PythonRandom random_;
  std::string template_;
  std::string prefix_;
  std::string type_;
};

int64_t StepOf(const NiahParameters& task, const RulerInputs& in) {
  if (task.haystack == kEssay) return in.small_steps ? 50 : 500;
  return in.limit < 4096 ? 5 : 25;
}

}  // namespace

std::span<const NiahParameters> NiahTasks() { return kTasks; }

Result<std::vector<RulerSample>> GenerateNiah(const NiahParameters& task, const RulerInputs& in) {
  const auto n_words = static_cast<int64_t>(in.essay.size());
  const int64_t step = StepOf(task, in);
  Generator generator(task, in);

  int64_t n = step, total = 0, smallest = 0;
  while (total + kNiahNewTokens < in.limit) {
    const RulerSample s = generator.Make(n);
    const Result<int64_t> tokens =
        in.count(fmt::format("{}{}{}", s.prompt, s.answer_prefix, fmt::join(s.answers, " ")));
    if (!tokens.ok()) return tokens.status();
    total = *tokens;
    if (n == step) smallest = total + kNiahNewTokens;
    if (total + kNiahNewTokens > in.limit) {
      n -= step;
      break;
    }
    if (task.haystack == kEssay && n > n_words) {
      n = n_words;
      break;
    }
    n += step;
  }
  if (n < step) {
    return InvalidArgument(fmt::format(
        "{}: length {} is too short, its smallest prompt and the answer take {} tokens with this "
        "tokenizer",
        task.name, in.limit, std::max(smallest, in.limit + 1)));
  }

  // A draw that does not fit is repeated; the stream decides when one does.
  constexpr int kMaxDraws = 1000;
  std::vector<RulerSample> samples;
  for (int64_t i = 0; i < in.samples; ++i) {
    int64_t used = n;
    for (int draw = 0;; ++draw) {
      RulerSample s = generator.Make(used);
      const Result<int64_t> tokens = in.count(s.prompt + s.answer_prefix);
      if (!tokens.ok()) return tokens.status();
      s.length = *tokens + kNiahNewTokens;
      if (s.length <= in.limit) {
        samples.push_back(std::move(s));
        break;
      }
      if (draw == kMaxDraws) {
        return InvalidArgument(fmt::format(
            "{}: length {} is too short, the smallest prompt and the answer take {} tokens",
            task.name, in.limit, s.length));
      }
      if (used > step) used -= step;
    }
  }
  return samples;
}

}  // namespace quarry::eval
