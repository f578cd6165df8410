#include "eval/infinitebench_synthetic.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eval/ruler.h"

namespace quarry::eval {
namespace {

// Something to remember after line `at` of filler.
std::string Hide(std::string_view what, int64_t lines, int64_t at) {
  std::string text;
  for (int64_t i = 0; i < lines; ++i) {
    text += fmt::format("{}\n", kGrass);
    if (i == at) text += fmt::format("{}\n", what);
  }
  if (at >= lines) text += fmt::format("{}\n", what);
  return text;
}

int64_t Position(int64_t size, int64_t index, int64_t count) {
  return count > 1 ? size * index / (count - 1) : size / 2;
}

std::string Digits(PythonRandom& random, int n) {
  std::string digits;
  for (int i = 0; i < n; ++i) digits += static_cast<char>('0' + random.RandInt(0, 9));
  return digits;
}

InfiniteBenchExample MakePasskey(int64_t size, int64_t index, int64_t count, PythonRandom& random) {
  const std::string key = Digits(random, 5);
  return {Hide(fmt::format("The pass key is {0}. Remember it. {0} is the pass key.", key), size,
               Position(size, index, count)),
          "What is the pass key?",
          {key},
          {}};
}

InfiniteBenchExample MakeNumberString(int64_t size, int64_t index, int64_t count,
                                      PythonRandom& random) {
  std::string key = Digits(random, 5);
  for (int k = 0; k < 5; ++k) {
    const auto p = static_cast<size_t>(random.RandInt(0, 4 + k));
    key.insert(p, 1, key[p]);
  }
  return {
      Hide(fmt::format("The sequence of digits is {0}. Remember it. {0} is the sequence of digits.",
                       key),
           size, Position(size, index, count)),
      "What is the sequence of digits?",
      {key},
      {}};
}

InfiniteBenchExample MakeKvRetrieval(int64_t size, int64_t index, int64_t count,
                                     PythonRandom& random) {
  const int64_t asked = index * size / count;
  InfiniteBenchExample e;
  std::vector<std::string> pairs;
  std::string key;
  for (int64_t i = 0; i < size; ++i) {
    const std::string k = random.Uuid(), v = random.Uuid();
    pairs.push_back(fmt::format("\"{}\": \"{}\"", k, v));
    if (i == asked) {
      key = k;
      e.answers = {v};
    }
  }
  e.context = fmt::format("JSON data:\n{{{}}}", fmt::join(pairs, ", "));
  e.input = fmt::format("\nKey: \"{}\"\nThe value associated with the specified key is: ", key);
  return e;
}

InfiniteBenchExample MakeMathFind(int64_t size, int64_t index, PythonRandom& random) {
  constexpr std::string_view kKinds[] = {
      "largest number",         "second largest number", "third largest number", "smallest number",
      "second smallest number", "third smallest number", "median number"};
  const auto kind = static_cast<size_t>(index) % std::size(kKinds);
  int64_t low = 0, high = 99;
  const bool largest = kind < 3 || (kind == 6 && random.Random() < 0.5);
  if (largest) {
    high = random.RandInt(79, 99);
  } else {
    low = random.RandInt(0, 19);
  }
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < size; ++i) numbers.push_back(random.RandInt(low, high));

  std::string answer;
  if (kind == 6) {
    std::vector<int64_t> sorted = numbers;
    std::sort(sorted.begin(), sorted.end());
    const size_t half = sorted.size() / 2;
    const int64_t twice =
        sorted.size() % 2 == 1 ? 2 * sorted[half] : sorted[half - 1] + sorted[half];
    answer = fmt::format("{}{}", twice / 2, twice % 2 == 1 ? ".5" : "");
  } else {
    const std::set<int64_t> distinct(numbers.begin(), numbers.end());
    std::vector<int64_t> ranked(distinct.begin(), distinct.end());
    if (kind < 3) std::reverse(ranked.begin(), ranked.end());
    answer = fmt::to_string(ranked[std::min(kind % 3, ranked.size() - 1)]);
  }
  return {fmt::format("[{}]", fmt::join(numbers, ", ")),
          fmt::format("You should answer with only one number, no other words. The {} of the list "
                      "is: ",
                      kKinds[kind]),
          {answer},
          {}};
}

InfiniteBenchExample MakeMathCalc(int64_t size, PythonRandom& random) {
  InfiniteBenchExample e;
  int64_t value = random.RandInt(0, 99);
  e.context = fmt::to_string(value);
  for (int64_t i = 1; i < size; ++i) {
    const bool plus = random.Random() < 0.5;
    int64_t operand, next;
    do {
      operand = random.RandInt(0, 99);
      next = plus ? value + operand : value - operand;
    } while (next < 0 || next > 99);
    value = next;
    e.context += fmt::format(" {} {}", plus ? '+' : '-', operand);
    e.answers.push_back(fmt::to_string(value));
  }
  return e;
}

InfiniteBenchExample MakeCodeRun(int64_t size, int64_t index, PythonRandom& random) {
  const int64_t levels = std::min<int64_t>(2 * (index % 5) + 2, size);
  const int64_t width = size / levels;
  struct Function {
    int64_t next = 0;  // number of the function it calls; 0: none
    int64_t add = 0;
  };
  std::vector<int64_t> numbers = random.Sample(std::max<int64_t>(1100, 2 * size), levels * width);
  for (int64_t& n : numbers) ++n;
  std::map<int64_t, Function> functions;
  for (int64_t level = 0; level < levels; ++level) {
    for (int64_t i = 0; i < width; ++i) {
      Function f;
      if (level + 1 < levels) {
        const auto callee = random.Below(static_cast<uint64_t>(width));
        f.next = numbers[static_cast<size_t>((level + 1) * width) + callee];
      }
      f.add = random.RandInt(-12, 17);
      functions[numbers[static_cast<size_t>(level * width + i)]] = f;
    }
  }
  std::vector<std::string> texts;
  for (const auto& [number, f] : functions) {
    const std::string inner = f.next == 0 ? "x" : fmt::format("func_{}(x)", f.next);
    const std::string add = f.add > 0   ? fmt::format(" + {}", f.add)
                            : f.add < 0 ? fmt::format(" - {}", -f.add)
                                        : "";
    texts.push_back(fmt::format("def func_{}(x):\n    return {}{}\n", number, inner, add));
  }
  const int64_t called = numbers[random.Below(static_cast<uint64_t>(width))];
  const int64_t argument = random.RandInt(-10, 10);
  int64_t value = argument;
  for (int64_t at = called; at != 0; at = functions[at].next) value += functions[at].add;
  return {
      fmt::format("\nHere is the content of functions_module.py:\n\n{}", fmt::join(texts, "\n")),
      fmt::format("Please give me the exact number of the return value of func_{}({}). Your "
                  "response should end with the sentence 'The return value is:'.",
                  called, argument),
      {fmt::to_string(value)},
      {}};
}

}  // namespace

bool IsSynthetic(std::string_view task) {
  constexpr std::string_view kNames[] = {"passkey",   "number_string", "kv_retrieval",
                                         "math_find", "math_calc",     "code_run"};
  return std::find(std::begin(kNames), std::end(kNames), task) != std::end(kNames);
}

int64_t SmallestSize(std::string_view task) {
  if (task == "code_run") return 10;  // a function a level
  if (task == "math_find") return 3;
  return task == "math_calc" ? 2 : 1;
}

InfiniteBenchExample MakeSynthetic(std::string_view task, int64_t size, int64_t index,
                                   int64_t count, PythonRandom& random) {
  if (task == "passkey") return MakePasskey(size, index, count, random);
  if (task == "number_string") return MakeNumberString(size, index, count, random);
  if (task == "kv_retrieval") return MakeKvRetrieval(size, index, count, random);
  if (task == "math_find") return MakeMathFind(size, index, random);
  if (task == "math_calc") return MakeMathCalc(size, random);
  return MakeCodeRun(size, index, random);
}

}  // namespace quarry::eval
