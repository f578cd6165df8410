#include <algorithm>
#include <future>
#include <thread>

#include <fmt/format.h>

#include "base/caught.h"
#include "base/file.h"
#include "base/memory_info.h"
#include "eval/charts.h"
#include "eval/evaluation.h"
#include "eval/method_parameters.h"
#include "eval/perplexity.h"

namespace quarry::eval {
namespace {

// Tokens at the end of the prompt that hold its last `bytes` bytes; never the first token.
Result<int64_t> TailTokens(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                           int64_t bytes) {
  int64_t n = 0, held = 0;
  while (held < bytes && n + 1 < std::ssize(prompt)) {
    const TokenId id[] = {prompt[prompt.size() - 1 - static_cast<size_t>(n)]};
    const Result<std::string> text = tokenizer.Decode(id);
    if (!text.ok()) return text.status();
    held += std::max<int64_t>(std::ssize(*text), 1);
    ++n;
  }
  return n;
}

}  // namespace

Status Evaluation::Run(const std::function<void(const EvalProgress&)>& progress) {
  on_progress_ = progress;
  begin_ = std::chrono::steady_clock::now();
  progress_ = {};
  progress_.samples_done = samples_before_;
  progress_.samples = samples_total_;
  for (const EvalTask* task : options_.tasks) {
    for (size_t m = 0; m < options_.methods.size(); ++m) {
      for (int64_t length : options_.lengths) {
        for (uint64_t seed : options_.seeds) {
          for (int64_t i = 0; i < ExpectedSamples(*task); ++i) {
            if (journal_.Find(settings(*task, m), length, seed, i) == nullptr) {
              progress_.tokens += length;
            }
          }
        }
      }
    }
  }
  for (size_t m = 0; m < options_.methods.size(); ++m) {
    if (const Status s = RunMethod(m); !s.ok()) return s;
  }
  return OkStatus();
}

void Evaluation::Cancel() {
  cancelled_.store(true);
  std::lock_guard lock(mutex_);
  for (const auto& [engine, id] : active_) engine->Cancel(id);
}

Status Evaluation::RunMethod(size_t method) {
  std::vector<Cell> cells;
  for (const EvalTask* task : options_.tasks) {
    for (int64_t length : options_.lengths) {
      for (uint64_t seed : options_.seeds) {
        const Cell cell = {task, method, length, seed};
        if (!Complete(cell)) cells.push_back(cell);
      }
    }
  }
  if (cells.empty()) return OkStatus();

  std::vector<std::unique_ptr<Engine>> engines;
  EngineOptions options = options_.methods[method].engine;
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  options.threads = std::max(1, options.threads / options_.jobs);
  // Lengths beyond the model's are what an evaluation is about.
  options.context_warning = false;
  options.log = options_.log;
  for (int job = 0; job < options_.jobs; ++job) {
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options);
    if (!engine.ok()) return engine.status().WithPrefix(options_.methods[method].label);
    engines.push_back(std::move(*engine));
    options.log = {};  // its remarks once
  }
  for (const Cell& cell : cells) {
    if (const Status s = RunCell(cell, engines); !s.ok()) return s;
  }
  return OkStatus();
}

Status Evaluation::RunCell(const Cell& cell, const std::vector<std::unique_ptr<Engine>>& engines) {
  if (no_memory_.contains({cell.task, cell.method, cell.length})) return OkStatus();
  if (cancelled_.load()) return Cancelled("stopped");
  {
    std::lock_guard lock(mutex_);
    progress_.what = fmt::format("{} {} {}", cell.task->name(), options_.methods[cell.method].label,
                                 LengthLabel(cell.length));
  }
  Tell();
  Result<std::vector<Sample>> samples = MakeSamples(
      *cell.task, {.length = cell.length, .samples = options_.samples, .seed = cell.seed});
  if (IsTooShort(*cell.task, samples.status())) {
    if (too_short_.insert({cell.task, cell.length}).second && options_.log) {
      options_.log(LogLevel::kWarning, samples.status().message());
    }
    return OkStatus();
  }
  if (!samples.ok()) return samples.status();
  std::erase_if(*samples, [&](const Sample& s) {
    return journal_.Find(settings(*cell.task, cell.method), cell.length, cell.seed, s.index) !=
           nullptr;
  });

  ResetPeakRss();
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex status_mutex;
  Status status;
  const auto fail = [&](Status s) {
    stop.store(true);
    std::lock_guard lock(status_mutex);
    if (status.ok()) status = std::move(s);
  };
  const auto work = [&](Engine& engine) {
    try {
      for (size_t i; !stop.load() && (i = next.fetch_add(1)) < samples->size();) {
        const Status s = RunSample(cell, (*samples)[i], engine);
        if (!s.ok()) fail(s);
      }
    } catch (...) {
      fail(CaughtStatus("out of memory"));
    }
  };
  {
    std::vector<std::jthread> threads;  // joined wherever this is left
    try {
      for (size_t job = 1; job < engines.size(); ++job) {
        threads.emplace_back([&, job] { work(*engines[job]); });
      }
    } catch (...) {
      fail(CaughtStatus("out of memory"));
    }
    work(*engines[0]);
  }

  if (status.code() == StatusCode::kOutOfMemory) {
    no_memory_.insert({cell.task, cell.method, cell.length});
    if (options_.log) {
      options_.log(LogLevel::kWarning, fmt::format("{}: {}", progress_.what, status.message()));
    }
    return OkStatus();
  }
  return status;
}

Status Evaluation::RunSample(const Cell& cell, const Sample& sample, Engine& engine) {
  Result<Prompt> prompt =
      BuildPrompt(engine.tokenizer(), context_.chat, sample, engine.question_first());
  if (!prompt.ok()) return prompt.status();
  if (engine.question_first() && prompt->question.empty()) NoteNoQuestion(cell);
  GenerateRequest request;
  request.max_new_tokens = sample.max_new_tokens;
  request.question = prompt->question;
  request.score_prompt = sample.score_prompt;
  request.decode_tail = sample.decode_tail;
  if (context_.decode_tail_bytes > 0 && sample.decode_tail == 0) {
    const Result<int64_t> tail =
        TailTokens(engine.tokenizer(), prompt->tokens, context_.decode_tail_bytes);
    if (!tail.ok()) return tail.status();
    request.decode_tail = *tail;
  }
  request.prompt = std::move(prompt->tokens);
  request.measure_coverage = options_.measure_coverage;
  const GenerateResult result = Generate(engine, std::move(request), cell);
  if (!result.status.ok()) return result.status;

  const MethodRun& method = options_.methods[cell.method];
  Record r;
  r.settings = settings(*cell.task, cell.method);
  r.length = cell.length;
  r.seed = cell.seed;
  r.index = sample.index;
  r.task = cell.task->name();
  r.method = method.label;
  r.parameters = DescribeParameters(method.engine.attention);
  r.depth = sample.depth;
  r.answer = result.text;
  r.expected = sample.answers;
  r.score = cell.task->is_perplexity() ? PerplexityOf(result.prompt_logprobs)
                                       : cell.task->Score(sample, result.text);
  r.prompt_tokens = result.prompt_tokens;
  r.new_tokens = std::ssize(result.token_ids);
  r.prefill_seconds = result.prefill_seconds;
  r.decode_seconds = result.decode_seconds;
  r.density = result.density;
  r.coverage = result.coverage;
  r.kv_bytes = result.kv_bytes;
  r.peak_rss_bytes = result.peak_rss_bytes;
  r.stop_reason = StopReasonName(result.stop_reason);
  if (context_.one_by_one && cell.task->is_perplexity()) {
    std::string lines;
    for (float logprob : result.prompt_logprobs) lines += fmt::format("{:.6f}\n", -logprob);
    const Status s =
        WriteFileAtomically(LossFile(cell.method, cell.length, cell.seed, sample.index), lines);
    if (!s.ok()) return s;
  }
  return journal_.Append(r);
}

GenerateResult Evaluation::Generate(Engine& engine, GenerateRequest request, const Cell& cell) {
  std::promise<GenerateResult> done;
  GenerateCallbacks callbacks;
  callbacks.on_progress = [&](const GenerateProgress& p) {
    {
      std::lock_guard lock(mutex_);
      reading_[&engine] = p.prompt_tokens_read;
    }
    Tell();
  };
  callbacks.on_done = [&](const GenerateResult& result) { done.set_value(result); };
  const Result<RequestId> id = engine.Submit(std::move(request), std::move(callbacks));
  if (!id.ok()) {
    GenerateResult refused;
    refused.status = id.status();
    return refused;
  }
  {
    std::lock_guard lock(mutex_);
    active_.emplace(&engine, *id);
  }
  if (cancelled_.load()) engine.Cancel(*id);
  GenerateResult result = done.get_future().get();
  {
    std::lock_guard lock(mutex_);
    active_.erase({&engine, *id});
    reading_.erase(&engine);
    if (result.status.ok()) {
      ++progress_.samples_done;
      progress_.tokens_done += cell.length;
    }
  }
  Tell();
  return result;
}

void Evaluation::NoteNoQuestion(const Cell& cell) {
  std::lock_guard lock(mutex_);
  if (!no_question_.insert({cell.task, cell.method}).second || !options_.log) return;
  options_.log(LogLevel::kWarning,
               fmt::format("{}: a prompt has no question, or lost it when it was cut; {} then "
                           "retrieves without one",
                           cell.task->name(), options_.methods[cell.method].label));
}

void Evaluation::Tell() {
  if (!on_progress_) return;
  std::lock_guard one_at_a_time(tell_mutex_);
  EvalProgress now;
  {
    std::lock_guard lock(mutex_);
    now = progress_;
    for (const auto& [engine, tokens] : reading_) now.tokens_done += tokens;
  }
  now.tokens_done = std::min(now.tokens_done, now.tokens);
  now.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  on_progress_(now);
}

}  // namespace quarry::eval
