#include "quarry/engine.h"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/caught.h"
#include "engine/task.h"
#include "kernels/dispatch.h"
#include "ops/matmul.h"

namespace quarry {
namespace {

// Positions are kept in 32 bits by the kernels.
constexpr int64_t kMaxPosition = int64_t{1} << 30;

RopeSpec RopeOf(const HfConfig& config, const EngineOptions& options) {
  RopeSpec rope = config.rope;
  if (options.rope_base) {
    rope.kind = RopeKind::kDefault;
    rope.base = *options.rope_base;
    rope.magnitude = 1;
  }
  rope.position_scale *= options.distance_scale;
  return rope;
}

// "llama-3-8b" of "models/llama-3-8b/".
std::string NameOf(const std::string& model) {
  const std::filesystem::path path(model);
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

// Ends of a turn that many GGUF files do not name in their metadata: known by their spelling, as
// llama.cpp knows them.
constexpr std::string_view kTurnEnds[] = {
    "<|im_end|>",    "<|eot_id|>",    "<|eom_id|>",      "<|end|>",
    "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>"};

Result<std::vector<TokenId>> EndIds(const std::string& model, const HfConfig& config,
                                    const Tokenizer& tokenizer) {
  std::vector<TokenId> ids = config.eos_ids;
  if (std::filesystem::is_directory(model)) {
    const Result<GenerationConfig> generation = LoadGenerationConfig(model);
    if (!generation.ok() && generation.status().code() != StatusCode::kNotFound) {
      return generation.status();
    }
    if (generation.ok() && !generation->eos_ids.empty()) ids = generation->eos_ids;
  } else {
    for (std::string_view end : kTurnEnds) {
      const std::optional<TokenId> id = tokenizer.TokenToId(end);
      if (id && tokenizer.is_special(*id) && std::find(ids.begin(), ids.end(), *id) == ids.end()) {
        ids.push_back(*id);
      }
    }
  }
  if (ids.empty() && tokenizer.eos_id()) ids.push_back(*tokenizer.eos_id());
  return ids;
}

// Before gigabytes are read only to find that they do not fit.
Status CheckWeightsFit(const ModelInfo& info, const EngineOptions& o) {
  const MemoryPlan plan = PlanMemory(info, o.attention,
                                     {.tokens = 1,
                                      .weight_dtype = o.weight_dtype.value_or(info.weight_dtype),
                                      .quantize = o.quantize,
                                      .kv_dtype = o.kv_dtype,
                                      .chunk_size = 1,
                                      .threads = o.threads});
  const uint64_t available = AvailableMemory();
  if (plan.weights <= available) return OkStatus();
  return OutOfMemory(fmt::format("{}: the weights need {} MiB, {} MiB are available", o.model,
                                 plan.weights >> 20, available >> 20));
}

Status CheckOptions(const EngineOptions& o) {
  if (o.threads < 0 || o.threads > 1024) {
    return InvalidArgument(
        fmt::format("threads is {}, must be between 0 (all cores) and 1024", o.threads));
  }
  if (o.chunk_size < 1 || o.chunk_size > 1 << 20) {
    return InvalidArgument(
        fmt::format("chunk_size is {}, must be between 1 and {}", o.chunk_size, 1 << 20));
  }
  if (!(o.distance_scale > 0 && o.distance_scale <= 1e6)) {
    return InvalidArgument(
        fmt::format("distance_scale is {}, must be above 0 and at most 1e6", o.distance_scale));
  }
  if (o.rope_base && !(*o.rope_base > 0 && *o.rope_base <= 1e12)) {
    return InvalidArgument(
        fmt::format("base is {}, must be above 0 and at most 1e12", *o.rope_base));
  }
  if (o.quantize && *o.quantize != WeightType::kQ8_0 && *o.quantize != WeightType::kQ4_0) {
    return InvalidArgument(
        fmt::format("quantize is {}, must be q8_0 or q4_0", WeightTypeName(*o.quantize)));
  }
  return Validate(o.attention);
}

}  // namespace

class Engine::Impl {
 public:
  static Result<std::unique_ptr<Impl>> Open(EngineOptions options);
  ~Impl();

  Result<RequestId> Submit(GenerateRequest request, GenerateCallbacks callbacks);
  void Cancel(RequestId id);

  EngineOptions options;
  std::shared_ptr<const Model> model;
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  ModelInfo info;
  std::optional<ExecContext> exec;
  TaskContext context;

 private:
  void Start() {
    thread_ = std::thread([this] { Loop(); });
  }
  void Loop();
  // One round: a token of every decoding task, then a chunk of one prompt.
  void Round();
  void Step(const std::shared_ptr<Task>& task);
  // A token of each, with the weights read once. REQUIRES: at most kGemvMaxRows, all decoding.
  void DecodeTogether(std::span<const std::shared_ptr<Task>> tasks);
  // Does `work`; if it throws, the tasks end with an error.
  template <typename Work>
  static void Guarded(std::span<const std::shared_ptr<Task>> tasks, Work work);
  void Log(LogLevel level, const std::string& line) {
    if (options.log) options.log(level, line);
  }
  Status CheckRequest(const GenerateRequest& request);
  Status CheckMemory(int64_t tokens) const;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<std::shared_ptr<Task>> incoming_;
  std::list<std::shared_ptr<Task>> all_;  // incoming and active
  bool stop_ = false;
  RequestId next_id_ = 1;
  bool warned_ = false;

  std::list<std::shared_ptr<Task>> active_;  // the engine thread's
  std::thread thread_;
};

Result<std::unique_ptr<Engine::Impl>> Engine::Impl::Open(EngineOptions options) {
  if (const Status s = CheckOptions(options); !s.ok()) return s;
  const Result<const kernels::KernelTable*> kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) return kernels.status();

  auto impl = std::make_unique<Impl>();
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  impl->exec.emplace(**kernels, options.threads, options.fast_products);
  Result<ModelInfo> info = InspectModel(options.model);
  if (!info.ok()) return info.status();
  const std::string& tokenizer_path = options.tokenizer.empty() ? options.model : options.tokenizer;
  Result<Tokenizer> tokenizer = Tokenizer::Load(tokenizer_path);
  if (!tokenizer.ok()) return tokenizer.status();
  if (static_cast<int64_t>(tokenizer->vocab_size()) > info->vocab_size) {
    return CorruptData(
        fmt::format("{}: the tokenizer has ids up to {}, the model only {} embeddings",
                    tokenizer_path, tokenizer->vocab_size() - 1, info->vocab_size));
  }

  if (!options.conv_type.empty()) {
    Result<ChatTemplate> built_in = ChatTemplate::BuiltIn(options.conv_type);
    if (!built_in.ok()) return built_in.status();
    impl->chat_template = std::move(*built_in);
  } else {
    Result<ChatTemplate> own = ChatTemplate::FromModelFolder(options.model);
    if (own.ok()) {
      impl->chat_template = std::move(*own);
    } else if (own.status().code() != StatusCode::kNotFound) {
      return own.status();
    }
  }

  if (const Status s = LoadPatterns(options.attention); !s.ok()) return s;
  if (const Status s = CheckWeightsFit(*info, options); !s.ok()) return s;
  if ((options.quantize || options.weight_dtype) && info->quantized_parameters > 0) {
    info->notes.push_back(fmt::format(
        "{} % of the weights are quantised in the file and stay as they are",
        100 * info->quantized_parameters / std::max<int64_t>(1, info->matrix_parameters)));
  }
  Result<std::shared_ptr<const Model>> model =
      Model::Load(options.model, options.weight_dtype, options.quantize, &impl->exec->threads());
  if (!model.ok()) return model.status();
  Result<std::vector<TokenId>> end_ids = EndIds(options.model, (*model)->config(), *tokenizer);
  if (!end_ids.ok()) return end_ids.status();
  auto methods = std::make_shared<const MethodSet>(options.attention, (*model)->shape().layers);
  const std::vector<std::string> reasons = methods->Unsupported((*model)->shape());
  if (!reasons.empty()) {
    return Unsupported(fmt::format("{}: {}", options.model, reasons[0]));
  }

  impl->options = std::move(options);
  impl->info = std::move(*info);
  impl->model = std::move(*model);
  impl->tokenizer = std::move(*tokenizer);
  impl->context = {.model = impl->model.get(),
                   .tokenizer = &*impl->tokenizer,
                   .methods = std::move(methods),
                   .exec = &*impl->exec,
                   .kv_dtype = impl->options.kv_dtype,
                   .rope = RopeOf(impl->model->config(), impl->options),
                   .chunk_size = impl->options.chunk_size,
                   .end_ids = std::move(*end_ids),
                   .model_name = NameOf(impl->options.model),
                   .native_context = impl->info.native_context};
  for (const std::string& note : impl->info.notes) impl->Log(LogLevel::kInfo, note);
  impl->Start();
  return impl;
}

Engine::Impl::~Impl() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    for (const auto& task : all_) task->cancelled().store(true);
  }
  wake_.notify_all();
  thread_.join();
}

Status Engine::Impl::CheckMemory(int64_t tokens) const {
  const MemoryPlan plan = PlanMemory(info, options.attention,
                                     {.tokens = tokens,
                                      .weight_dtype = model->weight_dtype(),
                                      .quantize = options.quantize,
                                      .kv_dtype = options.kv_dtype,
                                      .chunk_size = options.chunk_size,
                                      .threads = options.threads});
  const uint64_t needed = plan.total() - plan.weights;
  const uint64_t available = AvailableMemory();
  if (needed <= available) return OkStatus();
  return OutOfMemory(fmt::format("{} tokens with {} need {} MiB, {} MiB are available", tokens,
                                 context.methods->name(), needed >> 20, available >> 20));
}

Status Engine::Impl::CheckRequest(const GenerateRequest& r) {
  if (r.prompt.empty()) return InvalidArgument("the prompt is empty: it has no tokens");
  const int64_t vocab = info.vocab_size;
  for (TokenId id : r.prompt) {
    if (id < 0 || id >= vocab) {
      return InvalidArgument(
          fmt::format("prompt: token id {} is not in the vocabulary of {}", id, vocab));
    }
  }
  if (r.max_new_tokens < 0) {
    return InvalidArgument(
        fmt::format("max_new_tokens is {}, must be 0 or more", r.max_new_tokens));
  }
  const auto n = static_cast<int64_t>(r.prompt.size());
  if (r.max_new_tokens > kMaxPosition || n + r.max_new_tokens > kMaxPosition) {
    return InvalidArgument(fmt::format("prompt of {} and {} new tokens exceed {} positions", n,
                                       r.max_new_tokens, kMaxPosition));
  }
  if (r.decode_tail < 0 || r.decode_tail >= n) {
    return InvalidArgument(
        fmt::format("decode_tail is {}, must be between 0 and {} for a prompt of {} tokens",
                    r.decode_tail, n - 1, n));
  }
  if (r.question.begin < 0 || r.question.end > n) {
    return InvalidArgument(fmt::format("question: tokens {} to {} are not in the prompt of {}",
                                       r.question.begin, r.question.end, n));
  }
  if (r.dump_qkv && (r.dump_qkv->layer < 0 || r.dump_qkv->layer >= info.layers)) {
    return InvalidArgument(fmt::format("dump_qkv: layer is {}, must be between 0 and {}",
                                       r.dump_qkv->layer, info.layers - 1));
  }
  if (const Status s = r.sampling.Validate(); !s.ok()) return s;
  return CheckMemory(n + r.max_new_tokens);
}

Result<RequestId> Engine::Impl::Submit(GenerateRequest request, GenerateCallbacks callbacks) {
  if (const Status s = CheckRequest(request); !s.ok()) return s;
  const auto length = static_cast<int64_t>(request.prompt.size()) + request.max_new_tokens;
  std::lock_guard lock(mutex_);
  const std::optional<int64_t> farthest = context.methods->needs().farthest;
  if (options.context_warning && !warned_ &&
      std::min(length, farthest.value_or(length)) > info.native_context) {
    warned_ = true;
    Log(LogLevel::kWarning,
        farthest
            ? fmt::format("{} sees {} tokens back; the model was trained for {} (n_local sets how "
                          "far it sees)",
                          context.methods->name(), *farthest, info.native_context)
            : fmt::format("prompt and answer may take {} tokens; the model was trained for {} and "
                          "{} does not extend it (inf-llm does)",
                          length, info.native_context, context.methods->name()));
  }
  const RequestId id = next_id_++;
  auto task = std::make_shared<Task>(id, std::move(request), std::move(callbacks));
  incoming_.push_back(task);
  all_.push_back(std::move(task));
  wake_.notify_all();
  return id;
}

void Engine::Impl::Cancel(RequestId id) {
  std::lock_guard lock(mutex_);
  for (const auto& task : all_) {
    if (task->id() == id) task->cancelled().store(true);
  }
}

template <typename Work>
void Engine::Impl::Guarded(std::span<const std::shared_ptr<Task>> tasks, Work work) {
  Status status;
  try {
    return work();
  } catch (...) {
    status = CaughtStatus("no memory for the next step");
  }
  for (const auto& task : tasks) {
    if (!task->ended()) task->Finish(StopReason::kError, status);
  }
}

void Engine::Impl::Step(const std::shared_ptr<Task>& task) {
  Guarded({&task, 1}, [&] { task->Step(context); });
}

void Engine::Impl::DecodeTogether(std::span<const std::shared_ptr<Task>> tasks) {
  Status status;
  if (tasks.size() > 1) {
    Guarded(tasks, [&] {
      std::vector<Model::Part> parts;
      for (const auto& task : tasks) parts.push_back(task->NextPart());
      status = model->Forward(parts, *exec, Phase::kDecode);
    });
  }
  for (const auto& task : tasks) {
    if (task->ended()) continue;
    if (tasks.size() == 1 || !status.ok()) {
      Step(task);  // one that has no memory ends, the others go on
    } else {
      Guarded({&task, 1}, [&] { task->TakeLogits(context); });
    }
  }
}

void Engine::Impl::Round() {
  std::vector<std::shared_ptr<Task>> decoding;
  for (const auto& task : active_) {
    if (task->prefilling()) continue;
    if (task->cancelled().load()) {
      Step(task);
    } else {
      decoding.push_back(task);
    }
  }
  for (size_t i = 0; i < decoding.size(); i += kGemvMaxRows) {
    const size_t n = std::min<size_t>(kGemvMaxRows, decoding.size() - i);
    DecodeTogether(std::span(decoding).subspan(i, n));
  }
  const auto prompt = std::find_if(active_.begin(), active_.end(),
                                   [](const auto& task) { return task->prefilling(); });
  if (prompt != active_.end()) {
    Step(*prompt);
    active_.splice(active_.end(), active_, prompt);  // prompts take turns
  }
  const auto ended = [](const auto& task) { return task->ended(); };
  std::lock_guard lock(mutex_);
  all_.remove_if(ended);
  active_.remove_if(ended);
}

void Engine::Impl::Loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (active_.empty()) {
        wake_.wait(lock, [&] { return stop_ || !incoming_.empty(); });
      }
      active_.splice(active_.end(), incoming_);
      if (stop_ && active_.empty()) return;
    }
    Round();
  }
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  try {
    Result<std::unique_ptr<Impl>> impl = Impl::Open(std::move(options));
    if (!impl.ok()) return impl.status();
    return std::unique_ptr<Engine>(new Engine(std::move(*impl)));
  } catch (...) {
    return CaughtStatus("no memory for the model");
  }
}

Result<RequestId> Engine::Submit(GenerateRequest request, GenerateCallbacks callbacks) {
  return impl_->Submit(std::move(request), std::move(callbacks));
}
void Engine::Cancel(RequestId id) { impl_->Cancel(id); }

GenerateResult Engine::Generate(GenerateRequest request, GenerateCallbacks callbacks) {
  std::promise<GenerateResult> done;
  const auto forward = std::move(callbacks.on_done);
  callbacks.on_done = [&](const GenerateResult& result) {
    if (forward) forward(result);
    done.set_value(result);
  };
  const Result<RequestId> id = Submit(std::move(request), std::move(callbacks));
  if (!id.ok()) {
    GenerateResult result;
    result.status = id.status();
    return result;
  }
  return done.get_future().get();
}

const Tokenizer& Engine::tokenizer() const { return *impl_->tokenizer; }
const ChatTemplate* Engine::chat_template() const {
  return impl_->chat_template ? &*impl_->chat_template : nullptr;
}
const ModelInfo& Engine::model_info() const { return impl_->info; }
const AttentionSetup& Engine::attention() const { return impl_->options.attention; }
bool Engine::question_first() const { return impl_->context.methods->needs().question_first; }
int Engine::threads() const { return impl_->options.threads; }
std::string_view Engine::kernels() const { return impl_->exec->kernels().isa; }

std::string_view StopReasonName(StopReason reason) {
  switch (reason) {
    case StopReason::kEos:
      return "eos";
    case StopReason::kStopString:
      return "stop";
    case StopReason::kLength:
      return "length";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kError:
      return "error";
  }
  return "error";
}

double GenerateResult::prefill_tokens_per_second() const {
  return prefill_seconds > 0 ? static_cast<double>(prompt_tokens) / prefill_seconds : 0;
}

double GenerateResult::decode_tokens_per_second() const {
  // The first token comes out of the prompt's last forward pass.
  const auto steps = static_cast<double>(token_ids.size()) - 1;
  return decode_seconds > 0 && steps > 0 ? steps / decode_seconds : 0;
}

}  // namespace quarry
