// An evaluation task: prompts made from a seed, and how answers to them are scored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/chat.h"
#include "quarry/prompt.h"
#include "quarry/status.h"
#include "quarry/tokenizer.h"
#include "quarry/types.h"

#include "eval/haystack.h"
#include "eval/word_lists.h"

namespace quarry::eval {

// In which words a task asks.
enum class Wording {
  kOriginal,  // as the benchmark has it
  kSimple,    // short questions about a document, which the bundled models were trained on
};
std::string_view WordingName(Wording wording);

// One prompt. Either a document and a question about it, put into one user message; or a prompt
// text, as a message of `role` or raw; or messages; or tokens.
struct Sample {
  int64_t index = 0;
  std::optional<double> depth;  // of the needle in the document, in percent

  std::string document;
  std::string question;  // also that of a prompt text, which holds it; may be empty
  std::string prompt;
  std::string role;  // "user", "system"; empty: raw text
  std::vector<ChatMessage> messages;
  std::string answer_prefix;  // follows the prompt, as the beginning of the answer
  std::vector<TokenId> tokens;

  std::vector<std::string> answers;
  int64_t max_new_tokens = 0;
  bool score_prompt = false;
  int64_t decode_tail = 0;
  int64_t max_tokens = 0;  // a longer prompt loses its middle; 0: no limit
};

// What every task can draw on. The texts it refers to outlive the call.
struct TaskContext {
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat = nullptr;  // may be null
  const Haystack* haystack = nullptr;
  std::span<const TokenId> haystack_tokens;
  const WordLists* words = nullptr;
  const WordPairs* keys = nullptr;
  Wording wording = Wording::kOriginal;
  bool chat_prompts = false;      // raw prompts become user messages
  std::vector<int64_t> depths;    // of the needle task, in percent
  std::string text_file;          // of perplexity
  bool one_by_one = false;        // perplexity: the text is fed as an answer would be
  int64_t decode_tail_bytes = 0;  // this much of a prompt's end is fed as an answer would be
  std::filesystem::path data;     // official data files; may be empty
};

struct TaskRequest {
  int64_t length = 0;   // tokens
  int64_t samples = 0;  // per length and seed; the needle task: per depth too
  uint64_t seed = 42;
};

class EvalTask {
 public:
  virtual ~EvalTask() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // for help
  // Shortest length that makes sense.
  virtual int64_t min_length() const { return 128; }
  // Whether the samples of a request change with the number asked for.
  virtual bool depends_on_count() const { return false; }
  // Whether results are perplexities instead of accuracies.
  virtual bool is_perplexity() const { return false; }
  // Depths that a heatmap has as rows; empty: the task has no grid.
  virtual std::vector<int64_t> grid_depths(const TaskContext&) const { return {}; }
  // Whether `wording` changes the prompts.
  virtual bool has_wordings() const { return false; }
  virtual bool uses_haystack() const { return true; }
  // What a report must say about where samples come from; empty: nothing.
  virtual std::string data_note(const TaskContext&) const { return ""; }
  // The file below `data` that the task cannot do without and that is not there; empty: none.
  virtual std::string missing_file(const std::filesystem::path& /*data*/) const { return ""; }

  // The same context and request give the same samples. Prompt and answer fit the length unless
  // docs/evaluation.md says otherwise of the task. kInvalidArgument: the length is too short.
  virtual Result<std::vector<Sample>> Generate(const TaskContext& context,
                                               const TaskRequest& request) const = 0;
  // Between 0 and 1.
  virtual double Score(const Sample& sample, std::string_view answer) const = 0;
};

// All tasks, in the order of the documentation. Static; never freed.
std::span<const EvalTask* const> AllTasks();
// Tasks by name, or by the name of a group (niah, ruler, infinitebench); an unknown name is an
// error that suggests the nearest.
Result<std::vector<const EvalTask*>> FindTasks(std::string_view name);
std::vector<std::string_view> GroupNames();

// The prompt's tokens, and where in them the question is.
Result<Prompt> BuildPrompt(const Tokenizer& tokenizer, const ChatTemplate* chat,
                           const Sample& sample, bool question_first);

}  // namespace quarry::eval
