// Needle in a haystack: a number at every depth of a text, at every length (MInference's version of
// gkamradt's test).

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

class NeedleTask final : public EvalTask {
 public:
  std::string_view name() const override { return "needle"; }
  std::string_view summary() const override {
    return "a number at every depth of a text; draws a heatmap";
  }
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
      // Every round reads on in the haystack.
      const int64_t start = round * request.length;
      for (int64_t depth : context.depths) {
        const std::string city(Cities()[random.Below(Cities().size())]);
        const std::string number = fmt::to_string(random.RandInt(1'000'000, 9'999'999));
        Sample s;
        s.index = static_cast<int64_t>(samples.size());
        s.depth = static_cast<double>(depth);
        s.answers = {number};
        const Status status = context.wording == Wording::kSimple
                                  ? MakeSimple(context, request.length, start, city, s)
                                  : MakeOriginal(context, request.length, start, city, s);
        if (!status.ok()) return status.WithPrefix("needle");
        samples.push_back(std::move(s));
      }
    }
    return samples;
  }

  double Score(const Sample& sample, std::string_view answer) const override {
    return Contains(answer, sample.answers);
  }

 private:
  static Status MakeSimple(const TaskContext& context, int64_t length, int64_t start,
                           const std::string& city, Sample& s) {
    s.question = fmt::format("What is the special magic number for {}?", city);
    s.max_new_tokens = 16;
    const Plant plant[] = {
        {fmt::format(" The special magic number for {} is {}.", city, s.answers[0]), *s.depth}};
    return FitDocument(context, length, start, plant, s);
  }

  static Status MakeOriginal(const TaskContext& context, int64_t length, int64_t start,
                             const std::string& city, Sample& s) {
    s.question = fmt::format("What is the special magic {} number?", city);
    s.max_new_tokens = 32;
    const Plant plant[] = {
        {fmt::format("\nThe special magic {} number is: {}\n", city, s.answers[0]), *s.depth}};
    const Result<std::string> text = PlantDocument(context, length - kBuffer, start, plant);
    if (!text.ok()) return text.status().WithPrefix(fmt::format("length {}", length));
    s.prompt = Replace(Replace(std::string(kPrompt), "{question}", s.question), "{context}", *text);
    if (context.chat_prompts) s.role = "user";
    return OkStatus();
  }
};

}  // namespace

const EvalTask& NeedleTaskInstance() {
  static const NeedleTask task;
  return task;
}

}  // namespace quarry::eval
