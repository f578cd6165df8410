// Needle in a haystack: something at every depth of a text, at every length. A number, as
// MInference tests it, or gkamradt's sandwich.

#include <fmt/format.h>

#include "eval/metrics.h"
#include "eval/planted.h"
#include "eval/python_random.h"
#include "eval/ruler.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

constexpr std::string_view kPrompt =
    "Write a high-quality answer for the given question using only the provided search results "
    "(some of which might be irrelevant).\n{context}\n\nQuestion: {question} Don't give "
    "information "
    "outside the document or repeat your findings. Keep your response short and direct. Answer: ";
constexpr int64_t kBuffer = 200;  // tokens of the length that the context leaves to the rest

// One needle at each depth of a round; every round reads on in the haystack.
class GridTask : public EvalTask {
 public:
  int64_t min_length() const override { return 256; }
  bool has_wordings() const override { return true; }
  std::vector<int64_t> grid_depths(const TaskContext& context) const override {
    return context.depths;
  }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    PythonRandom random(request.seed);
    std::vector<Sample> samples;
    for (int64_t round = 0; round < request.samples; ++round) {
      const int64_t start = round * request.length;
      for (int64_t depth : context.depths) {
        Sample s;
        s.index = static_cast<int64_t>(samples.size());
        s.depth = static_cast<double>(depth);
        const Status status = Fill(context, request.length, start, random, s);
        if (!status.ok()) return status.WithPrefix(name());
        samples.push_back(std::move(s));
      }
    }
    return samples;
  }

 protected:
  virtual Status Fill(const TaskContext& context, int64_t length, int64_t start,
                      PythonRandom& random, Sample& s) const = 0;

  // The haystack with one needle, as long as the benchmarks make it.
  static Result<std::string> Context(const TaskContext& context, int64_t length, int64_t start,
                                     std::string needle, double depth) {
    const Plant plant[] = {{std::move(needle), depth}};
    Result<std::string> text = PlantDocument(context, length - kBuffer, start, plant);
    if (!text.ok()) return text.status().WithPrefix(fmt::format("length {}", length));
    return text;
  }
};

class NeedleTask final : public GridTask {
 public:
  std::string_view name() const override { return "needle"; }
  std::string_view summary() const override {
    return "a number at every depth of a text; draws a heatmap";
  }
  double Score(const Sample& sample, std::string_view answer) const override {
    return Contains(answer, sample.answers);
  }

 protected:
  Status Fill(const TaskContext& context, int64_t length, int64_t start, PythonRandom& random,
              Sample& s) const override {
    const std::string city(Cities()[random.Below(Cities().size())]);
    const std::string number = fmt::to_string(random.RandInt(1'000'000, 9'999'999));
    s.answers = {number};
    if (context.wording == Wording::kSimple) {
      s.question = fmt::format("What is the special magic number for {}?", city);
      s.max_new_tokens = 16;
      const Plant plant[] = {
          {fmt::format(" The special magic number for {} is {}.", city, number), *s.depth}};
      return FitDocument(context, length, start, plant, s);
    }
    s.question = fmt::format("What is the special magic {} number?", city);
    s.max_new_tokens = 32;
    const Result<std::string> text =
        Context(context, length, start,
                fmt::format("\nThe special magic {} number is: {}\n", city, number), *s.depth);
    if (!text.ok()) return text.status();
    s.prompt = Replace(Replace(std::string(kPrompt), "{question}", s.question), "{context}", *text);
    if (context.chat_prompts) s.role = "user";
    return OkStatus();
  }
};

class NeedleFactTask final : public GridTask {
 public:
  std::string_view name() const override { return "needle-fact"; }
  std::string_view summary() const override {
    return "the best thing to do in San Francisco, at every depth; draws a heatmap";
  }
  double Score(const Sample& sample, std::string_view answer) const override {
    return WordRecall(answer, sample.answers);
  }

 protected:
  // Nothing is drawn but where the haystack begins: seeds differ in that.
  Status Fill(const TaskContext& context, int64_t length, int64_t, PythonRandom& random,
              Sample& s) const override {
    const auto start = static_cast<int64_t>(random.Below(context.haystack_tokens.size()));
    const std::string fact = "eat a sandwich and sit in Dolores Park on a sunny day";
    const std::string needle = fmt::format("The best thing to do in San Francisco is {}.", fact);
    s.question = "What is the best thing to do in San Francisco?";
    s.answers = {fact};
    if (context.wording == Wording::kSimple) {
      s.max_new_tokens = 48;
      const Plant plant[] = {{" " + needle, *s.depth}};
      return FitDocument(context, length, start, plant, s);
    }
    s.max_new_tokens = 300;
    Result<std::string> text =
        Context(context, length, start, fmt::format("\n{}\n", needle), *s.depth);
    if (!text.ok()) return text.status();
    s.messages = {
        {"system",
         "You are a helpful AI bot that answers questions for a user. Keep your response short and "
         "direct"},
        {"user", std::move(*text)},
        {"user",
         s.question + " Don't give information outside the document or repeat your findings"}};
    return OkStatus();
  }
};

}  // namespace

const EvalTask& NeedleTaskInstance() {
  static const NeedleTask task;
  return task;
}

const EvalTask& NeedleFactTaskInstance() {
  static const NeedleFactTask task;
  return task;
}

}  // namespace quarry::eval
