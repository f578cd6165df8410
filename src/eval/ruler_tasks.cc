#include <array>

#include <fmt/format.h>

#include "eval/metrics.h"
#include "eval/ruler.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

enum class Kind { kNiah, kVt, kCwe, kFwe };

class RulerTask final : public EvalTask {
 public:
  RulerTask(Kind kind, const NiahParameters* niah, std::string_view name, std::string_view summary)
      : kind_(kind), niah_(niah), name_(name), summary_(summary) {}

  std::string_view name() const override { return name_; }
  std::string_view summary() const override { return summary_; }
  bool uses_haystack() const override {
    return kind_ == Kind::kNiah && niah_->haystack == NiahHaystack::kEssay;
  }
  int64_t min_length() const override { return kind_ == Kind::kFwe ? 400 : 256; }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    Result<int64_t> around = Around(context);
    if (!around.ok()) return around.status();
    std::vector<std::string> essay;
    if (uses_haystack()) {
      // A word is at least a token.
      essay = context.haystack->Words(static_cast<size_t>(request.length));
    }
    RulerInputs in;
    in.limit = request.length - *around;
    in.samples = request.samples;
    in.seed = request.seed;
    in.count = [&](std::string_view text) -> Result<int64_t> {
      const auto ids = context.tokenizer->Encode(text, {.add_special_tokens = false});
      if (!ids.ok()) return ids.status();
      return static_cast<int64_t>(ids->size());
    };
    in.keys = context.keys;
    in.essay = essay;
    in.small_steps = context.wording == Wording::kSimple;
    Result<std::vector<RulerSample>> made = kind_ == Kind::kNiah  ? GenerateNiah(*niah_, in)
                                            : kind_ == Kind::kVt  ? GenerateVt(in)
                                            : kind_ == Kind::kCwe ? GenerateCwe(in, *context.words)
                                                                  : GenerateFwe(in);
    if (!made.ok()) return made.status();
    std::vector<Sample> samples;
    for (RulerSample& r : *made) {
      Sample s;
      s.index = static_cast<int64_t>(samples.size());
      s.question = Question(r);
      s.prompt = std::move(r.prompt);
      s.answer_prefix = std::move(r.answer_prefix);
      s.answers = std::move(r.answers);
      s.max_new_tokens = NewTokens();
      if (context.chat_prompts) s.role = "user";
      samples.push_back(std::move(s));
    }
    return samples;
  }

  double Score(const Sample& sample, std::string_view answer) const override {
    return AllIn(answer, sample.answers);
  }

 private:
  // Tokens that a chat template puts around the prompt.
  static Result<int64_t> Around(const TaskContext& context) {
    if (!context.chat_prompts || context.chat == nullptr) return 0;
    const ChatMessage message[] = {{.role = "user", .content = "x"}};
    const Result<Prompt> prompt = ChatPrompt(*context.tokenizer, context.chat, message);
    if (!prompt.ok()) return prompt.status();
    return static_cast<int64_t>(prompt->tokens.size());
  }

  int64_t NewTokens() const {
    switch (kind_) {
      case Kind::kNiah:
        return kNiahNewTokens;
      case Kind::kVt:
        return kVtNewTokens;
      case Kind::kCwe:
        return kCweNewTokens;
      case Kind::kFwe:
        return kFweNewTokens;
    }
    return 0;
  }

  // The last line of the prompt is what it asks.
  static std::string Question(const RulerSample& r) {
    const size_t line = r.prompt.rfind('\n');
    return line == std::string::npos ? r.query : r.prompt.substr(line + 1);
  }

  Kind kind_;
  const NiahParameters* niah_;
  std::string_view name_;
  std::string_view summary_;
};

}  // namespace

std::span<const EvalTask* const> RulerTasks() {
  static const std::span<const NiahParameters> niah = NiahTasks();
  static const std::array<RulerTask, 11> tasks = {{
      {Kind::kNiah, &niah[0], niah[0].name, "RULER: a number in repeated filler"},
      {Kind::kNiah, &niah[1], niah[1].name, "RULER: a number in essays"},
      {Kind::kNiah, &niah[2], niah[2].name, "RULER: a UUID in essays"},
      {Kind::kNiah, &niah[3], niah[3].name, "RULER: four keys in essays, one is asked for"},
      {Kind::kNiah, &niah[4], niah[4].name, "RULER: a number among nothing but needles"},
      {Kind::kNiah, &niah[5], niah[5].name, "RULER: a UUID among nothing but UUID needles"},
      {Kind::kNiah, &niah[6], niah[6].name, "RULER: four numbers of one key in essays"},
      {Kind::kNiah, &niah[7], niah[7].name, "RULER: four keys in essays, all asked for"},
      {Kind::kVt, nullptr, "vt", "RULER: a chain of variable assignments"},
      {Kind::kCwe, nullptr, "cwe", "RULER: the ten most common words of a list"},
      {Kind::kFwe, nullptr, "fwe", "RULER: the three most frequent coded words"},
  }};
  static const std::array<const EvalTask*, 11> pointers = [] {
    std::array<const EvalTask*, 11> p{};
    for (size_t i = 0; i < p.size(); ++i) p[i] = &tasks[i];
    return p;
  }();
  return pointers;
}

}  // namespace quarry::eval
