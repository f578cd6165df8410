#include <deque>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "base/file.h"
#include "eval/infinitebench.h"
#include "eval/infinitebench_synthetic.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

constexpr uint64_t kMaxFile = uint64_t{4} << 30;

class InfiniteBenchTask final : public EvalTask {
 public:
  explicit InfiniteBenchTask(const InfiniteBenchTaskInfo& info)
      : info_(info),
        name_(fmt::format("infinitebench/{}", info.name)),
        summary_(IsSynthetic(info.name)
                     ? fmt::format("InfiniteBench: its file in --data, else made like it")
                     : fmt::format("InfiniteBench: its file in --data; what is too long loses its "
                                   "middle")) {}

  std::string_view name() const override { return name_; }
  std::string_view summary() const override { return summary_; }
  // Where in the text something is hidden.
  bool depends_on_count() const override { return IsSynthetic(info_.name); }
  bool uses_haystack() const override { return false; }
  int64_t min_length() const override { return 256; }
  std::string data_note(const TaskContext& context) const override {
    if (!IsSynthetic(info_.name) || HasFile(context.data)) return "";
    return fmt::format("{}: made-up samples, not the published ones{}", name_,
                       context.data.empty() ? ""
                                            : fmt::format(": {} is not there",
                                                          (context.data / FileName()).string()));
  }
  std::string missing_file(const std::filesystem::path& data) const override {
    return IsSynthetic(info_.name) || HasFile(data) ? "" : FileName();
  }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    if (IsSynthetic(info_.name) && !HasFile(context.data)) {
      return GenerateSynthetic(context, request);
    }
    if (context.data.empty()) {
      return InvalidArgument(fmt::format("{}: needs --data FOLDER with {}", name_, FileName()));
    }
    const std::filesystem::path path = context.data / FileName();
    const Result<MappedFile> file = MappedFile::Open(path);
    if (!file.ok()) return file.status();
    if (file->bytes().size() > kMaxFile) {
      return Unsupported(fmt::format("{}: more than {} bytes", path.string(), kMaxFile));
    }
    std::string_view text(reinterpret_cast<const char*>(file->bytes().data()),
                          file->bytes().size());
    std::vector<Sample> samples;
    for (int64_t line = 1; !text.empty() && std::ssize(samples) < request.samples; ++line) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view json = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (Strip(json).empty()) continue;
      Result<Sample> sample = Make(json, request.length);
      if (!sample.ok())
        return sample.status().WithPrefix(fmt::format("{}:{}", path.string(), line));
      sample->index = std::ssize(samples);
      samples.push_back(std::move(*sample));
    }
    if (samples.empty()) return CorruptData(path.string() + ": has no examples");
    return samples;
  }

  double Score(const Sample& sample, std::string_view answer) const override {
    return info_.score(Strip(answer), sample.answers);
  }

 private:
  std::string FileName() const { return fmt::format("infinitebench/{}.jsonl", info_.name); }
  bool HasFile(const std::filesystem::path& data) const {
    std::error_code error;
    return !data.empty() && std::filesystem::exists(data / FileName(), error);
  }

  Result<Sample> Make(std::string_view json, int64_t length) const {
    const Result<InfiniteBenchExample> example = ParseInfiniteBench(json);
    if (!example.ok()) return example.status();
    return Make(*example, length);
  }

  Result<Sample> Make(const InfiniteBenchExample& example, int64_t length) const {
    Result<std::string> prompt = InfiniteBenchPrompt(info_, example);
    if (!prompt.ok()) return prompt.status();
    Sample s;
    s.prompt = std::move(*prompt);
    s.role = "system";
    s.question = example.input;
    s.answers = InfiniteBenchLabels(info_, example);
    if (s.answers.back().empty()) return CorruptData("has an answer that is none of its options");
    s.max_new_tokens = NewTokens(length);
    s.max_tokens = std::max<int64_t>(length - s.max_new_tokens, 2);
    return s;
  }

  int64_t NewTokens(int64_t length) const {
    if (info_.max_new_tokens < length) return info_.max_new_tokens;
    // As the benchmark has it, but for lengths that even this would fill.
    return std::min<int64_t>(500, length / 2);
  }

  // The largest example that fits, made again for every sample.
  Result<std::vector<Sample>> GenerateSynthetic(const TaskContext& context,
                                                const TaskRequest& request) const {
    const auto make = [&](int64_t size, int64_t index, PythonRandom& random) {
      return Make(MakeSynthetic(info_.name, size, index, request.samples, random), request.length);
    };
    const auto fits = [&](const Sample& s) -> Result<bool> {
      Sample whole = s;
      whole.max_tokens = 0;
      const Result<Prompt> prompt = BuildPrompt(*context.tokenizer, context.chat, whole, false);
      if (!prompt.ok()) return prompt.status();
      return std::ssize(prompt->tokens) <= s.max_tokens;
    };
    const int64_t smallest = SmallestSize(info_.name);
    int64_t low = smallest - 1, high = request.length;
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      PythonRandom random(request.seed);
      const Result<Sample> s = make(middle, 0, random);
      if (!s.ok()) return s.status();
      const Result<bool> fitting = fits(*s);
      if (!fitting.ok()) return fitting.status();
      (*fitting ? low : high) = middle;
    }
    PythonRandom random(request.seed);
    std::vector<Sample> samples;
    for (int64_t i = 0; i < request.samples; ++i) {
      for (int64_t size = low;; --size) {
        if (size < smallest) {
          return InvalidArgument(fmt::format("{}: length {} is too short for its smallest prompt",
                                             name_, request.length));
        }
        Result<Sample> s = make(size, i, random);
        if (!s.ok()) return s.status();
        const Result<bool> fitting = fits(*s);
        if (!fitting.ok()) return fitting.status();
        if (!*fitting) continue;
        s->index = i;
        samples.push_back(std::move(*s));
        break;
      }
    }
    return samples;
  }

  const InfiniteBenchTaskInfo& info_;
  std::string name_;
  std::string summary_;
};

}  // namespace

std::span<const EvalTask* const> InfiniteBenchTasks() {
  static const std::deque<InfiniteBenchTask> tasks = [] {
    std::deque<InfiniteBenchTask> all;
    for (const InfiniteBenchTaskInfo& info : InfiniteBenchInfos()) all.emplace_back(info);
    return all;
  }();
  static const std::vector<const EvalTask*> pointers = [] {
    std::vector<const EvalTask*> p;
    for (const InfiniteBenchTask& task : tasks) p.push_back(&task);
    return p;
  }();
  return pointers;
}

}  // namespace quarry::eval
