// The value of one key of a large JSON object, as InfiniteBench's Retr.KV.

#include <algorithm>

#include <fmt/format.h>

#include "eval/metrics.h"
#include "eval/python_random.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class KvRetrievalTask final : public EvalTask {
 public:
  std::string_view name() const override { return "kv-retrieval"; }
  std::string_view summary() const override {
    return "the value of one key of a large JSON object";
  }
  // Which pair is asked for.
  bool depends_on_count() const override { return true; }
  bool has_wordings() const override { return true; }
  bool uses_haystack() const override { return false; }
  int64_t min_length() const override { return 256; }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    const Result<int64_t> fitting = CountFitting(context, request);
    if (!fitting.ok()) return fitting.status();
    PythonRandom random(request.seed);
    std::vector<Sample> samples;
    for (int64_t i = 0; i < request.samples; ++i) {
      Pairs pairs = Draw(random, context.wording, *fitting);
      for (;;) {
        const auto n = static_cast<int64_t>(pairs.size());
        if (n == 0) return TooShort(request.length);
        const int64_t asked = i * n / request.samples;
        Sample s = Make(context, pairs, static_cast<size_t>(asked));
        const Result<bool> fits = Fits(context, s, request.length);
        if (!fits.ok()) return fits.status();
        if (*fits) {
          s.index = i;
          s.depth = 100.0 * static_cast<double>(asked) / static_cast<double>(n);
          samples.push_back(std::move(s));
          break;
        }
        pairs.pop_back();
      }
    }
    return samples;
  }

  double Score(const Sample& sample, std::string_view answer) const override {
    return WordIn(answer, sample.answers);
  }

 private:
  static Status TooShort(int64_t length) {
    return InvalidArgument(
        fmt::format("kv-retrieval: length {} is too short for one pair and the question", length));
  }

  static Pairs Draw(PythonRandom& random, Wording wording, int64_t n) {
    const auto word = [&] {
      return wording == Wording::kSimple ? fmt::format("{:08x}", random.NextU32()) : random.Uuid();
    };
    Pairs pairs;
    for (int64_t i = 0; i < n; ++i) {
      std::string key = word();
      pairs.emplace_back(std::move(key), word());
    }
    return pairs;
  }

  static Sample Make(const TaskContext& context, const Pairs& pairs, size_t asked) {
    const bool simple = context.wording == Wording::kSimple;
    std::string json = "{";
    for (size_t i = 0; i < pairs.size(); ++i) {
      const char* separator = simple ? (i == 0 ? "\n " : ",\n ") : (i == 0 ? "" : ", ");
      json += fmt::format("{}\"{}\": \"{}\"", separator, pairs[i].first, pairs[i].second);
    }
    json += simple ? "\n}" : "}";
    const std::string& key = pairs[asked].first;
    Sample s;
    s.answers = {pairs[asked].second};
    if (simple) {
      s.document = std::move(json);
      s.question = fmt::format("What is the value of the key \"{}\"?", key);
      s.max_new_tokens = 16;
    } else {
      s.question = fmt::format("\"{}\"", key);
      s.prompt = fmt::format(
          "Extract the value corresponding to the specified key in the JSON object below.\n\n"
          "JSON data:\n{}\n\n\nKey: \"{}\"\nThe value associated with the specified key is: ",
          json, key);
      s.role = "system";
      s.max_new_tokens = 80;
    }
    return s;
  }

  static Result<bool> Fits(const TaskContext& context, const Sample& s, int64_t length) {
    const Result<Prompt> prompt = BuildPrompt(*context.tokenizer, context.chat, s, true);
    if (!prompt.ok()) return prompt.status();
    return static_cast<int64_t>(prompt->tokens.size()) + s.max_new_tokens <= length;
  }

  // The most pairs that fit, for one draw of them.
  static Result<int64_t> CountFitting(const TaskContext& context, const TaskRequest& request) {
    int64_t low = 0, high = request.length / 4 + 1;
    PythonRandom random(request.seed);
    const Pairs all = Draw(random, context.wording, high);
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      const Pairs some(all.begin(), all.begin() + middle);
      const Result<bool> fits = Fits(context, Make(context, some, 0), request.length);
      if (!fits.ok()) return fits.status();
      (*fits ? low : high) = middle;
    }
    if (low == 0) return TooShort(request.length);
    return low;
  }
};

}  // namespace

const EvalTask& KvRetrievalTaskInstance() {
  static const KvRetrievalTask task;
  return task;
}

}  // namespace quarry::eval
