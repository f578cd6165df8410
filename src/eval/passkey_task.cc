// Pass keys in repeated filler, as Landmark Attention and Quest test them.

#include <algorithm>

#include <fmt/format.h>

#include "eval/metrics.h"
#include "eval/python_random.h"
#include "eval/ruler.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

constexpr std::string_view kTaskLine =
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. "
    "I will quiz you about the important information there.";
constexpr std::string_view kQuestion = "What is the pass key?";
constexpr int64_t kLengthStep = 128;  // characters of filler

// The first `n` characters of the filler sentences, over and over.
std::string Filler(int64_t n) {
  const std::string unit = std::string(kGrass) + " ";
  std::string text;
  text.reserve(static_cast<size_t>(n) + unit.size());
  while (static_cast<int64_t>(text.size()) < n) text += unit;
  text.resize(static_cast<size_t>(n));
  return text;
}

class PasskeyTask final : public EvalTask {
 public:
  std::string_view name() const override { return "passkey"; }
  std::string_view summary() const override { return "a number in repeated filler sentences"; }
  bool depends_on_count() const override { return true; }
  bool has_wordings() const override { return true; }
  bool uses_haystack() const override { return false; }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    const Result<int64_t> fitting = FillerSize(context, request.length);
    if (!fitting.ok()) return fitting.status();
    PythonRandom random(request.seed);
    std::vector<Sample> samples;
    for (int64_t i = 0; i < request.samples; ++i) {
      const int64_t depth = 100 / request.samples * (i + 1);
      // From 101 samples on the depth is drawn, in characters.
      const int64_t drawn = depth == 0 ? random.RandInt(0, *fitting) : 0;
      const int64_t key = context.wording == Wording::kSimple ? random.RandInt(10000, 99999)
                                                              : random.RandInt(1, 50000);
      for (int64_t size = *fitting;; size -= kLengthStep) {
        if (size < 0) return TooShort(request.length);
        const int64_t before = depth == 0 ? std::min(drawn, size) : size * depth / 100;
        Sample s = Make(context, size, before, key);
        const Result<bool> fits = Fits(context, s, request.length);
        if (!fits.ok()) return fits.status();
        if (!*fits) continue;
        s.index = i;
        s.depth = size > 0 ? 100.0 * static_cast<double>(before) / static_cast<double>(size) : 0;
        samples.push_back(std::move(s));
        break;
      }
    }
    return samples;
  }

  double Score(const Sample& sample, std::string_view answer) const override {
    return FirstIntValue(answer, sample.answers);
  }

 private:
  static Status TooShort(int64_t length) {
    return InvalidArgument(
        fmt::format("passkey: length {} is too short for the question alone", length));
  }

  static Sample Make(const TaskContext& context, int64_t size, int64_t before, int64_t key) {
    const std::string info =
        fmt::format("The pass key is {0}. Remember it. {0} is the pass key.", key);
    const std::string body = fmt::format("{}\n{}\n{}", Filler(before), info, Filler(size - before));
    Sample s;
    s.question = kQuestion;
    s.answers = {fmt::to_string(key)};
    s.max_new_tokens = 10;
    if (context.wording == Wording::kSimple) {
      s.document = body;
    } else {
      s.prompt = fmt::format("{}\n{}\n{} The pass key is", kTaskLine, body, kQuestion);
      if (context.chat_prompts) s.role = "user";
    }
    return s;
  }

  // The benchmark's prompt is shorter than the length, and the answer comes on top.
  static Result<bool> Fits(const TaskContext& context, const Sample& s, int64_t length) {
    const Result<Prompt> prompt = BuildPrompt(*context.tokenizer, context.chat, s, true);
    if (!prompt.ok()) return prompt.status();
    const auto n = static_cast<int64_t>(prompt->tokens.size());
    return context.wording == Wording::kSimple ? n + s.max_new_tokens <= length : n < length;
  }

  // The most characters of filler, in whole steps, that fit.
  static Result<int64_t> FillerSize(const TaskContext& context, int64_t length) {
    int64_t low = -1, high = 64 * length / kLengthStep + 1;  // in steps; low fits, high does not
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      const int64_t size = middle * kLengthStep;
      const Result<bool> fits = Fits(context, Make(context, size, size / 2, 50000), length);
      if (!fits.ok()) return fits.status();
      (*fits ? low : high) = middle;
    }
    if (low < 0) return TooShort(length);
    return low * kLengthStep;
  }
};

}  // namespace

const EvalTask& PasskeyTaskInstance() {
  static const PasskeyTask task;
  return task;
}

}  // namespace quarry::eval
