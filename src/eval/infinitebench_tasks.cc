#include <deque>
#include <string>

#include <fmt/format.h>

#include "base/file.h"
#include "eval/infinitebench.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

constexpr uint64_t kMaxFile = uint64_t{4} << 30;

class InfiniteBenchTask final : public EvalTask {
 public:
  explicit InfiniteBenchTask(const InfiniteBenchTaskInfo& info)
      : info_(info),
        name_(fmt::format("infinitebench/{}", info.name)),
        summary_(fmt::format("InfiniteBench's {}.jsonl in --data; longer prompts lose their middle",
                             info.name)) {}

  std::string_view name() const override { return name_; }
  std::string_view summary() const override { return summary_; }
  bool uses_haystack() const override { return false; }
  int64_t min_length() const override { return 256; }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    if (context.data.empty()) {
      return InvalidArgument(
          fmt::format("{}: needs --data FOLDER with infinitebench/{}.jsonl", name_, info_.name));
    }
    const auto path = context.data / "infinitebench" / fmt::format("{}.jsonl", info_.name);
    const Result<MappedFile> file = MappedFile::Open(path);
    if (!file.ok()) return file.status();
    if (file->bytes().size() > kMaxFile) {
      return InvalidArgument(fmt::format("{}: more than {} bytes", path.string(), kMaxFile));
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
  Result<Sample> Make(std::string_view json, int64_t length) const {
    const Result<InfiniteBenchExample> example = ParseInfiniteBench(json);
    if (!example.ok()) return example.status();
    Result<std::string> prompt = InfiniteBenchPrompt(info_, *example);
    if (!prompt.ok()) return prompt.status();
    Sample s;
    s.prompt = std::move(*prompt);
    s.role = "system";
    s.question = example->input;
    s.answers = InfiniteBenchLabels(info_, *example);
    if (s.answers.back().empty()) return CorruptData("has an answer that is none of its options");
    s.max_new_tokens = info_.max_new_tokens < length ? info_.max_new_tokens : 500;
    s.max_tokens = std::max<int64_t>(length - s.max_new_tokens, 2);
    return s;
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
