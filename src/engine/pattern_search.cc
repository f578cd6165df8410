#include "quarry/pattern_search.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "quarry/model_info.h"
#include "quarry/tokenizer.h"

#include "attention/methods/pattern_search.h"
#include "base/caught.h"
#include "base/file.h"
#include "base/quoted.h"
#include "base/rng.h"
#include "kernels/dispatch.h"
#include "model/model.h"
#include "model/model_files.h"
#include "ops/rope_frequencies.h"

namespace quarry {
namespace {

// The original's prompt: 30000 tokens less those of an answer.
constexpr int64_t kPromptTokens = 29920;
constexpr int64_t kLeastTokens = 256;
constexpr int64_t kMostTokens = int64_t{1} << 20;

std::string Uuid(Rng& rng) {
  const uint64_t a = rng.Next(), b = rng.Next();
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xffff,
                     b >> 48, b & 0xffffffffffff);
}

Status CheckOptions(const PatternSearchOptions& o) {
  if (o.output.empty()) return InvalidArgument("output: must name the file to write");
  if (o.tokens != 0 && (o.tokens < kLeastTokens || o.tokens > kMostTokens)) {
    return InvalidArgument(fmt::format("tokens is {}, must be between {} and {}", o.tokens,
                                       kLeastTokens, kMostTokens));
  }
  if (o.threads < 0 || o.threads > 1024) {
    return InvalidArgument(
        fmt::format("threads is {}, must be between 0 (all cores) and 1024", o.threads));
  }
  return OkStatus();
}

// What the output file holds already, for this model.
Result<PatternTable> Resume(const std::string& path, const ModelInfo& info) {
  PatternTable table;
  table.name = path;
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  if (error) return IoError(fmt::format("{}: {}", path, error.message()));
  if (!there) return table;
  Result<PatternTable> found = ReadPatternTable(path);
  if (!found.ok()) return found.status().WithPrefix("search: cannot go on");
  const auto layers = static_cast<int64_t>(found->layers.size());
  if (layers > 0 && found->heads() != info.heads) {
    return InvalidArgument(
        fmt::format("{} has {} heads, must have {} as the model has: give "
                    "another output file",
                    path, found->heads(), info.heads));
  }
  if (layers >= info.layers) {
    return InvalidArgument(
        fmt::format("{} has {} layers, must have fewer than the model's {}: nothing is left to "
                    "search",
                    path, layers, info.layers));
  }
  return found;
}

// What a search is of, as lines of "name value", in a file beside the output while layers are
// missing: the original's format of the output has no place for it.
constexpr uint64_t kMaxNoteBytes = 4096;

std::string NotePath(const std::string& output) { return output + ".search"; }

Result<std::string> NoteOf(const PatternSearchOptions& o, int64_t tokens) {
  const Result<ModelFiles> files = OpenModelFiles(o.model);
  if (!files.ok()) return files.status();
  const Result<WeightView> view = files->tensors->Find(files->names.embeddings);
  if (!view.ok()) return view.status();
  // FNV-1a of the first embeddings tells models of one shape apart.
  uint64_t hash = 14695981039346656037u;
  for (std::byte b : view->data.first(std::min<size_t>(view->data.size(), size_t{64} << 10))) {
    hash = (hash ^ static_cast<uint64_t>(b)) * 1099511628211u;
  }
  return fmt::format("model {:016x}\ntokens {}\nobjective {}\nkeep_patterns {}\nseed {}\n", hash,
                     tokens, o.objective == SearchObjective::kOutput ? "output" : "recall",
                     o.keep_patterns ? "yes" : "no", o.seed);
}

// That a search that was begun goes on as it was; nobody knows of layers without a note.
Status CheckNote(const std::string& output, const std::string& note) {
  const std::string path = NotePath(output);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return OkStatus();
  const Result<std::string> before = ReadFile(path, kMaxNoteBytes);
  if (!before.ok()) return before.status();
  std::istringstream had_lines(*before), has_lines(note);
  for (std::string had, has; std::getline(has_lines, has);) {
    std::getline(had_lines, had);
    if (had == has) continue;
    return InvalidArgument(fmt::format(
        "{} was begun with \"{}\", this search has \"{}\": go on as it was, or give another output "
        "file",
        output, OneLine(had), has));
  }
  return OkStatus();
}

// Exactly `n` tokens: the middle of a prompt that is a little too long is left out.
Result<std::vector<TokenId>> PromptOf(const Tokenizer& tokenizer, uint64_t seed, int64_t n) {
  for (int64_t records = 16;; records *= 2) {
    const std::string text = KeyValuePrompt(seed, records);
    Result<std::vector<TokenId>> tokens = tokenizer.Encode(text);
    if (!tokens.ok()) return tokens.status();
    // Random keys take a token for every few bytes.
    constexpr size_t kMostBytesPerToken = 256;
    if (text.size() > kMostBytesPerToken * static_cast<size_t>(n)) {
      return Unsupported(fmt::format("{} bytes of random keys make {} tokens, must make {}",
                                     text.size(), tokens->size(), n));
    }
    const auto size = static_cast<int64_t>(tokens->size());
    if (size < n) continue;
    tokens->erase(tokens->begin() + n / 2, tokens->begin() + n / 2 + (size - n));
    return tokens;
  }
}

Result<PatternTable> Search(const PatternSearchOptions& o) {
  if (const Status s = CheckOptions(o); !s.ok()) return s;
  const Result<ModelInfo> info = InspectModel(o.model);
  if (!info.ok()) return info.status();
  Result<PatternTable> table = Resume(o.output, *info);
  if (!table.ok()) return table.status();
  const Result<const kernels::KernelTable*> kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) return kernels.status();
  const Result<Tokenizer> tokenizer = Tokenizer::Load(o.model);
  if (!tokenizer.ok()) return tokenizer.status();
  const int64_t n = o.tokens != 0
                        ? o.tokens
                        : std::max(kLeastTokens, std::min(kPromptTokens, info->native_context));
  const Result<std::string> note = NoteOf(o, n);
  if (!note.ok()) return note.status();
  if (!table->layers.empty()) {
    if (const Status s = CheckNote(o.output, *note); !s.ok()) return s;
  }
  const Result<std::vector<TokenId>> prompt = PromptOf(*tokenizer, o.seed, n);
  if (!prompt.ok()) return prompt.status();
  for (TokenId id : *prompt) {
    if (id < 0 || id >= info->vocab_size) {
      return CorruptData(fmt::format("{}: token id {} is not in the model's vocabulary of {}",
                                     o.model, id, info->vocab_size));
    }
  }
  Result<std::shared_ptr<const Model>> model = Model::Load(o.model);
  if (!model.ok()) return model.status();
  if (o.log && n > info->native_context) {
    o.log(LogLevel::kWarning, fmt::format("the prompt has {} tokens, the model was trained for {}",
                                          n, info->native_context));
  }

  const auto begin = std::chrono::steady_clock::now();
  std::atomic<bool> stop = false;
  Status written;
  HeadSearchOptions search = {.objective = o.objective,
                              .keep_patterns = o.keep_patterns,
                              .first_layer = static_cast<int>(table->layers.size()),
                              .on_layer = {}};
  search.on_layer = [&](int, std::map<int, HeadPattern> heads) {
    table->layers.push_back(std::move(heads));
    written = WritePatternTable(o.output, *table);
    if (written.ok() && table->layers.size() == 1) {
      written = WriteFileAtomically(NotePath(o.output), *note);
    }
    if (static_cast<int64_t>(table->layers.size()) == info->layers) {
      std::error_code none;
      std::filesystem::remove(NotePath(o.output), none);
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    if (o.on_progress) {
      o.on_progress({static_cast<int64_t>(table->layers.size()), info->layers, passed.count()});
    }
    if (!written.ok() || (o.cancel != nullptr && o.cancel->load())) stop = true;
  };
  const int threads = o.threads != 0
                          ? o.threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  ExecContext ctx(**kernels, threads);
  const ModelShape& shape = (*model)->shape();
  Sequence sequence(shape, MakeRope((*model)->config().rope, shape.head_dim, n),
                    std::make_shared<const MethodSet>(MakePatternSearch(search), shape.layers),
                    {.kv_dtype = DType::kF16, .hints = {.question = {}, .prompt_end = n}});
  const Status forward = (*model)->Forward(*prompt, sequence, ctx, {}, {.cancel = &stop});
  if (!written.ok()) return written;
  // The last layer may have ended before the wish to stop was seen.
  if (!forward.ok() && static_cast<int64_t>(table->layers.size()) < info->layers) {
    return forward.code() == StatusCode::kCancelled
               ? Cancelled(fmt::format("stopped after {} of {} layers, which are in {}",
                                       table->layers.size(), info->layers, o.output))
               : forward;
  }
  return table;
}

}  // namespace

std::string KeyValuePrompt(uint64_t seed, int64_t records) {
  Rng rng(seed);
  const int64_t wanted = records / 2;
  std::string text = "Below is a JSON object. Give the value that belongs to one of its keys.\n\n{";
  std::string key, wanted_key;
  for (int64_t i = 0; i < records; ++i) {
    key = Uuid(rng);
    if (i == wanted) wanted_key = key;
    text += fmt::format("{}\"{}\": \"{}\"", i == 0 ? "" : ", ", key, Uuid(rng));
  }
  text += fmt::format("}}\n\nKey: \"{}\"\nValue:", wanted_key);
  return text;
}

Result<PatternTable> SearchPatterns(const PatternSearchOptions& options) {
  try {
    return Search(options);
  } catch (...) {
    return CaughtStatus("no memory for the pattern search; a shorter prompt takes less");
  }
}

}  // namespace quarry
