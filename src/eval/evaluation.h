// An evaluation: tasks x methods x lengths x seeds x samples, with a journal of what is done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "quarry/engine.h"
#include "quarry/status.h"

#include "eval/journal.h"
#include "eval/report.h"
#include "eval/task.h"

namespace quarry::eval {

// One row family of the table: a method with its parameters.
struct MethodRun {
  std::string label;      // "inf-llm"
  std::string overrides;  // what the user changed, in any form: part of the fingerprint
  EngineOptions engine;
};

struct EvalOptions {
  std::vector<const EvalTask*> tasks;
  std::vector<MethodRun> methods;  // of one model
  std::vector<int64_t> lengths;    // tokens
  int64_t samples = 10;            // per length and seed
  std::vector<uint64_t> seeds = {42};
  int jobs = 1;  // samples at once, each with its own engine and share of the threads

  // Unset: simple for models of less than 50 million parameters.
  std::optional<Wording> wording;
  bool chat_prompts = false;
  std::vector<int64_t> depths = {0, 11, 22, 33, 44, 56, 67, 78, 89, 100};
  std::string text_file;  // of perplexity
  bool one_by_one = false;
  int64_t decode_tail_bytes = 0;
  bool measure_coverage = false;   // costs time: the speeds are then no measure
  std::filesystem::path haystack;  // empty: the bundled novel, looked for in `roots`
  std::vector<std::filesystem::path> roots;
  std::filesystem::path data;  // official data files

  std::filesystem::path out = "quarry-eval";
  LogSink log;
};

struct EvalProgress {
  std::string what;  // "needle inf-llm 4K"
  int64_t samples_done = 0;
  int64_t samples = 0;
  int64_t tokens_done = 0;  // of prompts
  int64_t tokens = 0;
  double seconds = 0;
};

class Evaluation {
 public:
  // Checks everything that can be checked without running a model: options, files, that one of the
  // tasks can be made at one of the lengths at least. Opens the journal OUT/samples.jsonl.
  static Result<std::unique_ptr<Evaluation>> Prepare(EvalOptions options);

  // Runs what the journal lacks. kCancelled after Cancel; what was finished stays. A sample that
  // memory does not suffice for leaves its cell empty and the rest goes on, and so does a length
  // that is too short for a task.
  // `progress` is called from any thread, one call at a time; it may call Cancel.
  Status Run(const std::function<void(const EvalProgress&)>& progress);
  // Any thread.
  void Cancel();

  // The tables of what is done so far.
  Report MakeReport() const;
  // report.md, and for the tasks that have them heatmaps, curves and JSON files; returns their
  // names.
  Result<std::vector<std::filesystem::path>> WriteFiles() const;
  int64_t samples_before() const { return samples_before_; }

 private:
  struct Cell {
    const EvalTask* task;
    size_t method;
    int64_t length;
    uint64_t seed;
  };

  Evaluation(EvalOptions options, Journal journal)
      : options_(std::move(options)), journal_(std::move(journal)) {}

  // In evaluation.cc.

  Status Load();
  Status MakeSettings();
  // That one of the tasks can be made at one of the lengths, and that no task lacks more than that.
  Status TryTasks() const;
  Result<std::vector<Sample>> MakeSamples(const EvalTask& task, const TaskRequest& request) const;
  // Whether `status`, of making samples, says that the length is too short.
  bool IsTooShort(const EvalTask& task, const Status& status) const;
  int64_t ExpectedSamples(const EvalTask& task) const;
  // Of --mode decode: -log p of each token.
  std::filesystem::path LossFile(size_t method, int64_t length, uint64_t seed, int64_t index) const;
  bool Complete(const Cell& cell) const;
  const std::string& settings(const EvalTask& task, size_t method) const {
    return settings_.at({&task, method});
  }

  // In evaluation_run.cc.

  Status RunMethod(size_t method);
  Status RunCell(const Cell& cell, const std::vector<std::unique_ptr<Engine>>& engines);
  Status RunSample(const Cell& cell, const Sample& sample, Engine& engine);
  GenerateResult Generate(Engine& engine, GenerateRequest request, const Cell& cell);
  // Samples of a method that retrieves by a question which the prompt lacks: said once.
  void NoteNoQuestion(const Cell& cell);
  void Tell();

  // In evaluation_files.cc.

  std::vector<const Record*> Results(const EvalTask& task, size_t method, int64_t length) const;
  Status WriteNeedleFiles(const EvalTask& task, std::vector<std::filesystem::path>& files) const;
  Status WritePerplexityFiles(const EvalTask& task,
                              std::vector<std::filesystem::path>& files) const;

  EvalOptions options_;
  Journal journal_;
  ModelInfo model_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_;
  std::optional<Haystack> haystack_;
  std::vector<TokenId> haystack_tokens_;
  WordLists words_;
  bool own_words_ = true;  // not RULER's
  std::optional<WordPairs> keys_;
  TaskContext context_;
  std::map<std::pair<const EvalTask*, size_t>, std::string> settings_;
  int64_t samples_total_ = 0;
  int64_t samples_before_ = 0;

  // While running; under the mutex but for the flag.
  std::atomic<bool> cancelled_{false};
  std::mutex tell_mutex_;  // held while on_progress_ is called, which may call Cancel
  std::mutex mutex_;
  std::set<std::pair<Engine*, RequestId>> active_;
  std::map<const Engine*, int64_t> reading_;  // prompt tokens of samples under way
  std::function<void(const EvalProgress&)> on_progress_;
  EvalProgress progress_;
  std::chrono::steady_clock::time_point begin_;
  std::set<std::tuple<const EvalTask*, size_t, int64_t>> no_memory_;
  std::set<std::pair<const EvalTask*, int64_t>> too_short_;
  std::set<std::pair<const EvalTask*, size_t>> no_question_;
};

}  // namespace quarry::eval
