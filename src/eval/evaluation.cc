#include "eval/evaluation.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eval/fingerprint.h"
#include "eval/method_parameters.h"

namespace quarry::eval {
namespace {

// Changes with anything in here that changes prompts or scores.
constexpr int kFormat = 1;
constexpr int64_t kMaxLength = int64_t{1} << 28;
constexpr int64_t kMaxSamples = 1'000'000;
constexpr int64_t kSmallModel = 50'000'000;  // parameters

Status CheckOptions(const EvalOptions& o) {
  if (o.tasks.empty()) return InvalidArgument("no task: name at least one");
  if (o.methods.empty()) return InvalidArgument("no method: name at least one");
  if (o.lengths.empty()) return InvalidArgument("no length: name at least one");
  if (o.samples < 1 || o.samples > kMaxSamples) {
    return InvalidArgument(
        fmt::format("samples is {}, must be between 1 and {}", o.samples, kMaxSamples));
  }
  if (o.jobs < 1 || o.jobs > 256) {
    return InvalidArgument(fmt::format("jobs is {}, must be between 1 and 256", o.jobs));
  }
  if (o.decode_tail_bytes < 0) {
    return InvalidArgument(
        fmt::format("the decoded tail is {} bytes, must be 0 or more", o.decode_tail_bytes));
  }
  for (int64_t depth : o.depths) {
    if (depth < 0 || depth > 100) {
      return InvalidArgument(fmt::format("depth is {}, must be between 0 and 100 percent", depth));
    }
  }
  if (o.depths.empty()) return InvalidArgument("no depth: name at least one");
  // Lengths that are too short for some of the tasks are cells that stay empty.
  const int64_t longest = *std::max_element(o.lengths.begin(), o.lengths.end());
  const bool long_enough = std::any_of(o.tasks.begin(), o.tasks.end(), [&](const EvalTask* task) {
    return longest >= task->min_length();
  });
  if (!long_enough || longest > kMaxLength) {
    const EvalTask& task = *o.tasks[0];
    return InvalidArgument(fmt::format("{}: length is {}, must be between {} and {}", task.name(),
                                       longest, task.min_length(), kMaxLength));
  }
  std::error_code error;
  if (!o.data.empty() && !std::filesystem::is_directory(o.data, error)) {
    return NotFound(fmt::format("data is {}, which is no folder", o.data.string()));
  }
  if (o.out.empty()) return InvalidArgument("out is empty, must name a folder");
  const EngineOptions& first = o.methods[0].engine;
  for (const MethodRun& m : o.methods) {
    if (m.engine.model != first.model || m.engine.tokenizer != first.tokenizer ||
        m.engine.conv_type != first.conv_type) {
      return InvalidArgument(fmt::format(
          "{} and {} name different models, tokenizers or prompt formats; one evaluation has one",
          o.methods[0].label, m.label));
    }
    if (std::count_if(o.methods.begin(), o.methods.end(),
                      [&](const MethodRun& other) { return other.label == m.label; }) > 1) {
      return InvalidArgument(
          fmt::format("two methods are called {}; give one another name, "
                      "such as other={}",
                      m.label, m.label));
    }
  }
  return OkStatus();
}

template <typename T>
void SortUnique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

Result<std::unique_ptr<Evaluation>> Evaluation::Prepare(EvalOptions options) {
  SortUnique(options.lengths);
  SortUnique(options.depths);
  SortUnique(options.seeds);
  if (const Status s = CheckOptions(options); !s.ok()) return s;
  Result<Journal> journal = Journal::Open(options.out / "samples.jsonl");
  if (!journal.ok()) return journal.status();
  std::unique_ptr<Evaluation> e(new Evaluation(std::move(options), std::move(*journal)));
  if (const Status s = e->Load(); !s.ok()) return s;
  if (const Status s = e->MakeSettings(); !s.ok()) return s;
  if (const Status s = e->TryTasks(); !s.ok()) return s;
  const EvalOptions& o = e->options_;
  std::set<std::string> current;
  for (const EvalTask* task : o.tasks) {
    for (size_t m = 0; m < o.methods.size(); ++m) {
      current.insert(e->settings(*task, m));
      for (int64_t length : o.lengths) {
        for (uint64_t seed : o.seeds) {
          const int64_t expected = e->ExpectedSamples(*task);
          e->samples_total_ += expected;
          for (int64_t i = 0; i < expected; ++i) {
            e->samples_before_ +=
                e->journal_.Find(e->settings(*task, m), length, seed, i) != nullptr;
          }
        }
      }
    }
  }
  const int64_t others = e->journal_.CountOthers(current);
  if (others > 0 && o.log) {
    o.log(LogLevel::kInfo, fmt::format("{}: {} samples of other tasks or settings are left alone",
                                       (o.out / "samples.jsonl").string(), others));
  }
  return e;
}

Status Evaluation::Load() {
  const EngineOptions& engine = options_.methods[0].engine;
  Result<ModelInfo> info = InspectModel(engine.model);
  if (!info.ok()) return info.status();
  model_ = std::move(*info);
  Result<Tokenizer> tokenizer =
      Tokenizer::Load(engine.tokenizer.empty() ? engine.model : engine.tokenizer);
  if (!tokenizer.ok()) return tokenizer.status();
  tokenizer_ = std::move(*tokenizer);
  Result<ChatTemplate> chat = engine.conv_type.empty() ? ChatTemplate::FromModelFolder(engine.model)
                                                       : ChatTemplate::BuiltIn(engine.conv_type);
  if (chat.ok()) {
    chat_ = std::move(*chat);
  } else if (chat.status().code() != StatusCode::kNotFound) {
    return chat.status();
  }

  Result<Haystack> haystack = FindHaystack(options_.haystack, options_.roots);
  if (!haystack.ok()) return haystack.status();
  haystack_ = std::move(*haystack);
  Result<std::vector<TokenId>> tokens =
      tokenizer_->Encode(haystack_->text(), {.add_special_tokens = false, .parse_special = false});
  if (!tokens.ok()) return tokens.status();
  haystack_tokens_ = std::move(*tokens);

  words_ = BuiltInWords();
  if (!options_.data.empty() && std::filesystem::exists(options_.data / "ruler/nounlist.txt")) {
    Result<WordLists> words = LoadWords(options_.data / "ruler");
    if (!words.ok()) return words.status();
    words_ = std::move(*words);
    own_words_ = false;
  }
  keys_.emplace(words_.adjectives, words_.nouns);

  const Wording fitting = model_.parameters < kSmallModel ? Wording::kSimple : Wording::kOriginal;
  context_ = {.tokenizer = &*tokenizer_,
              .chat = chat_ ? &*chat_ : nullptr,
              .haystack = &*haystack_,
              .haystack_tokens = haystack_tokens_,
              .words = &words_,
              .keys = &*keys_,
              .wording = options_.wording.value_or(fitting),
              .chat_prompts = options_.chat_prompts,
              .depths = options_.depths,
              .text_file = options_.text_file,
              .one_by_one = options_.one_by_one,
              .decode_tail_bytes = options_.decode_tail_bytes,
              .data = options_.data};
  return OkStatus();
}

Status Evaluation::MakeSettings() {
  const Result<std::string> model = ModelFingerprint(options_.methods[0].engine.model);
  if (!model.ok()) return model.status();
  std::string text;
  if (!options_.text_file.empty()) {
    const Result<std::vector<std::string>> texts = LoadTexts(options_.text_file, SIZE_MAX);
    if (!texts.ok()) return texts.status();
    std::string all;
    for (const std::string& t : *texts) all += t + '\0';
    text = Fingerprint(all);
  }
  std::string words;
  for (const auto* list : {&words_.nouns, &words_.adjectives, &words_.verbs}) {
    for (const std::string& word : *list) words += word + "\n";
  }
  for (const EvalTask* task : options_.tasks) {
    for (size_t m = 0; m < options_.methods.size(); ++m) {
      const EngineOptions& e = options_.methods[m].engine;
      nlohmann::ordered_json j = {
          {"format", kFormat},
          {"task", task->name()},
          {"model", *model},
          {"tokenizer", e.tokenizer == e.model ? "" : e.tokenizer},
          {"conv_type", e.conv_type},
          {"method", quarry::Describe(e.attention)},
          {"parameters", DescribeParameters(e.attention)},
          {"overrides", options_.methods[m].overrides},
          {"weights", e.weight_dtype ? static_cast<int>(*e.weight_dtype) : -1},
          {"kv", static_cast<int>(e.kv_dtype)},
          {"fast_products", e.fast_products},
          {"chunk_size", e.chunk_size},
          {"rope_base", e.rope_base.value_or(0)},
          {"distance_scale", e.distance_scale},
          {"decode_tail_bytes", context_.decode_tail_bytes},
          {"chat_prompts", context_.chat_prompts},
          {"words", Fingerprint(words)}};
      if (task->has_wordings()) j["wording"] = WordingName(context_.wording);
      if (task->uses_haystack()) j["haystack"] = haystack_->fingerprint();
      if (task->depends_on_count()) j["samples"] = options_.samples;
      if (!task->grid_depths(context_).empty()) j["depths"] = context_.depths;
      if (task->is_perplexity()) {
        j["text"] = text.empty() ? haystack_->fingerprint() : text;
        j["one_by_one"] = context_.one_by_one;
      }
      if (options_.measure_coverage) j["coverage"] = true;
      if (!options_.data.empty()) {
        j["data"] = options_.data.string();
        // The file may come later.
        if (!task->data_note(context_).empty()) j["made_up"] = true;
      }
      const std::string canonical = j.dump();
      settings_[{task, m}] = Fingerprint(canonical);
      if (const Status s = journal_.Describe(settings_[{task, m}], canonical); !s.ok()) return s;
    }
  }
  return OkStatus();
}

Status Evaluation::TryTasks() const {
  Status first_short;
  bool made = false;
  for (const EvalTask* task : options_.tasks) {
    Status status;
    for (int64_t length : options_.lengths) {
      status = MakeSamples(*task, {.length = length, .samples = 1, .seed = options_.seeds.front()})
                   .status();
      if (!IsTooShort(*task, status)) break;
    }
    if (status.ok()) {
      made = true;
    } else if (!IsTooShort(*task, status)) {
      return status;
    } else if (first_short.ok()) {
      first_short = status;
    }
  }
  return made ? OkStatus() : first_short;
}

Result<std::vector<Sample>> Evaluation::MakeSamples(const EvalTask& task,
                                                    const TaskRequest& request) const {
  if (request.length < task.min_length()) {
    return InvalidArgument(fmt::format("{}: length is {}, must be at least {}", task.name(),
                                       request.length, task.min_length()));
  }
  return task.Generate(context_, request);
}

bool Evaluation::IsTooShort(const EvalTask& task, const Status& status) const {
  return status.code() == StatusCode::kInvalidArgument && !task.is_perplexity() &&
         task.missing_file(options_.data).empty();
}

int64_t Evaluation::ExpectedSamples(const EvalTask& task) const {
  const auto depths = static_cast<int64_t>(task.grid_depths(context_).size());
  return options_.samples * std::max<int64_t>(depths, 1);
}

bool Evaluation::Complete(const Cell& cell) const {
  const int64_t expected = ExpectedSamples(*cell.task);
  for (int64_t i = 0; i < expected; ++i) {
    if (journal_.Find(settings(*cell.task, cell.method), cell.length, cell.seed, i) == nullptr) {
      return false;
    }
  }
  return true;
}

}  // namespace quarry::eval
