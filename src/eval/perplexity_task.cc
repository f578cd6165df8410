// Perplexity of long texts, read in one pass (MInference) or token by token (Quest).

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eval/perplexity.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

class PerplexityTask final : public EvalTask {
 public:
  std::string_view name() const override { return "perplexity"; }
  std::string_view summary() const override { return "how well a text is predicted (--file)"; }
  int64_t min_length() const override { return 16; }
  bool is_perplexity() const override { return true; }
  bool uses_haystack() const override { return false; }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    const auto wanted = static_cast<size_t>(request.samples);
    std::vector<std::string> texts;
    if (context.text_file.empty()) {
      texts.push_back(context.haystack->text());
    } else {
      Result<std::vector<std::string>> loaded = LoadTexts(context.text_file, wanted);
      if (!loaded.ok()) return loaded.status();
      texts = std::move(*loaded);
    }
    std::vector<Sample> samples;
    for (const std::string& text : texts) {
      const Result<std::vector<TokenId>> ids = context.tokenizer->Encode(text);
      if (!ids.ok()) return ids.status();
      if (ids->size() < 2) continue;
      // Of one long text, one stretch after another.
      const size_t pieces = texts.size() > 1 ? 1 : wanted;
      const auto length = static_cast<size_t>(request.length);
      for (size_t piece = 0; piece < pieces; ++piece) {
        const size_t begin = piece * length;
        const size_t end = std::min(ids->size(), begin + length);
        if (begin >= end || (piece > 0 && end - begin < length)) break;
        Sample s;
        s.index = static_cast<int64_t>(samples.size());
        s.tokens.assign(ids->begin() + static_cast<std::ptrdiff_t>(begin),
                        ids->begin() + static_cast<std::ptrdiff_t>(end));
        s.score_prompt = true;
        if (context.one_by_one) s.decode_tail = static_cast<int64_t>(s.tokens.size()) - 1;
        samples.push_back(std::move(s));
      }
    }
    if (samples.empty()) return InvalidArgument("perplexity: the text has fewer than two tokens");
    return samples;
  }

  double Score(const Sample&, std::string_view) const override { return 0; }
};

}  // namespace

double PerplexityOf(std::span<const float> logprobs) {
  constexpr size_t kChunk = 10000;
  double loss = 0;
  int64_t terms = 0;
  for (size_t i = 0; i < logprobs.size(); ++i) {
    if ((i + 1) % kChunk == 0) continue;  // token i + 1 begins a chunk
    loss -= static_cast<double>(logprobs[i]);
    ++terms;
  }
  return terms > 0 ? std::exp(loss / static_cast<double>(terms)) : 0;
}

std::vector<std::pair<double, double>> RunningPerplexity(std::span<const double> losses,
                                                         size_t points) {
  std::vector<std::pair<double, double>> curve;
  const size_t step = std::max<size_t>(1, losses.size() / std::max<size_t>(points, 1));
  double sum = 0;
  for (size_t t = 1; t <= losses.size(); ++t) {
    sum += losses[t - 1];
    if (t % step == 0 || t == losses.size()) {
      curve.emplace_back(static_cast<double>(t), std::exp(sum / static_cast<double>(t)));
    }
  }
  return curve;
}

const EvalTask& PerplexityTaskInstance() {
  static const PerplexityTask task;
  return task;
}

}  // namespace quarry::eval
