#include "cli/run_command.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "quarry/prompt.h"

#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/model_options.h"
#include "cli/numbers.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace quarry::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  std::optional<std::string> prompt, file, positional, document, question;
  bool raw = false;
  int64_t max_new_tokens = 256;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool json = false;
  bool stats = false;
  bool coverage = false;
  std::pair<int64_t, std::string> dump_qkv;  // empty file: none
};

// What the user wants to say to the model.
struct Input {
  std::string text;      // the prompt, or the message around document and question
  std::string question;  // empty: none
};

Status Empty(const std::string& path) {
  return InvalidArgument(
      fmt::format("{} is empty, must have text", path == "-" ? "standard input" : path));
}

bool IsBlank(const std::string& text) { return text.find_first_not_of(" \t\r\n\v\f") == text.npos; }

// Of what was given, nothing is empty.
Status CheckTexts(const RunOptions& o) {
  for (const auto& [flag, text, must] : {std::tuple("--prompt", &o.prompt, "have text"),
                                         std::tuple("--file", &o.file, "name a file"),
                                         std::tuple("--document", &o.document, "name a file")}) {
    if (*text && (*text)->empty()) {
      return InvalidArgument(fmt::format("{} is empty, must {}", flag, must));
    }
  }
  if (o.question && IsBlank(*o.question)) {
    return InvalidArgument(fmt::format("--question is \"{}\", must have text", *o.question));
  }
  return OkStatus();
}

Result<Input> ReadPrompt(const RunOptions& o, bool question_first) {
  const int sources =
      o.prompt.has_value() + o.file.has_value() + o.positional.has_value() + o.document.has_value();
  if (sources == 0) {
    return InvalidArgument("no prompt: give --prompt TEXT, --file FILE, - or --document FILE");
  }
  if (sources > 1) {
    return InvalidArgument("more than one of --prompt, --file, - and --document was given");
  }
  if (o.positional && *o.positional != "-") {
    return InvalidArgument(fmt::format(
        "unexpected argument \"{}\"; only - (standard input) may stand alone", *o.positional));
  }
  const std::string question = o.question.value_or("");
  if (o.document) {
    if (question.empty()) return InvalidArgument("--document needs --question TEXT");
    Result<std::string> document = ReadInput(*o.document);
    if (!document.ok()) return document.status();
    if (document->empty()) return Empty(*o.document);
    return Input{DocumentMessage(*document, question, question_first), question};
  }
  if (o.prompt) return Input{*o.prompt, question};
  const std::string file = o.file.value_or("-");
  Result<std::string> text = ReadInput(file);
  if (!text.ok()) return text.status();
  if (text->empty()) return Empty(file);
  return Input{std::move(*text), question};
}

nlohmann::ordered_json ToJson(const GenerateResult& r, const std::string& method) {
  return {{"text", r.text},
          {"token_ids", r.token_ids},
          {"prompt_tokens", r.prompt_tokens},
          {"new_tokens", r.token_ids.size()},
          {"method", method},
          {"prefill_seconds", r.prefill_seconds},
          {"decode_seconds", r.decode_seconds},
          {"prefill_tokens_per_second", r.prefill_tokens_per_second()},
          {"decode_tokens_per_second", r.decode_tokens_per_second()},
          {"peak_rss_bytes", r.peak_rss_bytes},
          {"kv_bytes", r.kv_bytes},
          {"density", r.density},
          {"coverage", r.coverage ? nlohmann::ordered_json(*r.coverage) : nullptr},
          {"stop_reason", StopReasonName(r.stop_reason)}};
}

void PrintStats(const GenerateResult& r, const Engine& engine, bool coverage) {
  const auto line = [](const std::string& s) { std::fprintf(stderr, "%s\n", s.c_str()); };
  line(fmt::format("method    {}, {} kernels, {} threads", Describe(engine.attention()),
                   engine.kernels(), engine.threads()));
  line(fmt::format("prompt    {} tokens in {:.2f} s, {:.0f} tokens/s", WithCommas(r.prompt_tokens),
                   r.prefill_seconds, r.prefill_tokens_per_second()));
  line(fmt::format("answer    {} tokens in {:.2f} s, {:.0f} tokens/s, ended by {}",
                   r.token_ids.size(), r.decode_seconds, r.decode_tokens_per_second(),
                   StopReasonName(r.stop_reason)));
  line(fmt::format("memory    {} at most, of which {} context", HumanBytes(r.peak_rss_bytes),
                   HumanBytes(r.kv_bytes)));
  line(fmt::format("density   {:.2f} % of the causal query-key pairs", 100 * r.density));
  if (coverage) {
    line(r.coverage ? fmt::format("coverage  {:.2f} % of the attention over all earlier tokens",
                                  100 * *r.coverage)
                    : "coverage  not measured: the method drops keys, or the prompt is short");
  }
  if (r.blocks_retrieved > 0) {
    std::string blocks = fmt::format("blocks    {} in memory, {} retrieved",
                                     WithCommas(r.memory_blocks), WithCommas(r.blocks_retrieved));
    if (r.cache_hits > 0) {
      blocks += fmt::format(
          ", {:.1f} % found in the fast tier",
          100.0 * static_cast<double>(r.cache_hits) / static_cast<double>(r.blocks_retrieved));
    }
    line(blocks);
  }
}

Result<Prompt> Render(const Tokenizer& tokenizer, const ChatTemplate* chat, const RunOptions& o,
                      const Input& input) {
  if (o.raw) return RawPrompt(tokenizer, input.text, input.question);
  const ChatMessage message[] = {{.role = "user", .content = input.text}};
  return ChatPrompt(tokenizer, chat, message, input.question);
}

// What a run has whatever its method: model, tokenizer, chat template.
Result<EngineOptions> WithoutMethod(const RunOptions& o) {
  ModelOptions dense = o.model;
  dense.method = DenseConfig::kName;
  dense.layers.clear();
  dense.set = WithoutPhases(o.model.set);
  Result<ModelSetup> setup = Resolve(dense, {});
  if (!setup.ok()) return setup.status();
  return std::move(setup->engine);
}

// Tokens of the prompt as the model will get it.
Result<int64_t> CountTokens(const EngineOptions& engine, const RunOptions& o, const Input& input) {
  const Result<Tokenizer> tokenizer = Tokenizer::Load(engine.tokenizer);
  if (!tokenizer.ok()) return tokenizer.status();
  const Result<ChatTemplate> chat = engine.conv_type.empty()
                                        ? ChatTemplate::FromModelFolder(engine.model)
                                        : ChatTemplate::BuiltIn(engine.conv_type);
  if (!chat.ok() && chat.status().code() != StatusCode::kNotFound) return chat.status();
  const Result<Prompt> prompt = Render(*tokenizer, chat.ok() ? &*chat : nullptr, o, input);
  if (!prompt.ok()) return prompt.status();
  return static_cast<int64_t>(prompt->tokens.size());
}

// --method auto: the choice for what the prompt of `input` and the answer have in tokens.
Status ChooseByLength(const Input& input, RunOptions& o, const LogSink& log) {
  if (!o.model.prefill.empty() || !o.model.decode.empty()) {
    return InvalidArgument("--method auto chooses both phases: leave out --prefill and --decode");
  }
  const Result<EngineOptions> engine = WithoutMethod(o);
  if (!engine.ok()) return engine.status();
  const Result<ModelInfo> info = InspectModel(engine->model);
  if (!info.ok()) return info.status();
  const Result<int64_t> prompt = CountTokens(*engine, o, input);
  if (!prompt.ok()) return prompt.status();
  const int64_t tokens = *prompt + std::min(o.max_new_tokens, INT64_MAX - *prompt);
  const MethodChoice choice = ChooseMethods(tokens, info->native_context);
  o.model.method.clear();
  o.model.fit_lengths = true;
  o.model.prefill = choice.prefill;
  o.model.decode = choice.decode;
  log(LogLevel::kInfo,
      fmt::format("auto: {} tokens, trained for {}: {}; reading with {}, answering with {}",
                  WithCommas(tokens), WithCommas(info->native_context), choice.reason,
                  choice.prefill, choice.decode));
  return OkStatus();
}

// A method that retrieves by the question must have one.
Status CheckQuestion(const Engine& engine, const std::string& question, const Prompt& prompt) {
  if (!prompt.question.empty()) return OkStatus();
  if (!question.empty()) {
    constexpr size_t kShown = 80;
    return InvalidArgument(
        fmt::format("the question \"{}\"{} is not in the prompt, must be part of it word by word",
                    question.substr(0, kShown), question.size() > kShown ? "..." : ""));
  }
  if (!engine.question_first()) return OkStatus();
  return InvalidArgument(
      fmt::format("{} retrieves by the question, which is missing: give --question TEXT",
                  Describe(engine.attention())));
}

// The same once the prompt was cut.
Status CheckCutQuestion(const Engine& engine, const Prompt& prompt, int64_t max_len) {
  if (!engine.question_first() || !prompt.question.empty()) return OkStatus();
  return InvalidArgument(
      fmt::format("max_len is {}: cutting the prompt removed the question, by which {} retrieves",
                  max_len, Describe(engine.attention())));
}

int Run(RunOptions o) {
  SignalWatcher signals;
  const LogSink log = StandardErrorLog();
  if (const Status s = o.sampling.Validate(); !s.ok()) return Fail(s);
  if (const Status s = CheckTexts(o); !s.ok()) return Fail(s);
  if (o.max_new_tokens < 0) {
    return Fail(
        InvalidArgument(fmt::format("max_new_tokens is {}, must be 0 or more", o.max_new_tokens)));
  }
  for (const std::string& stop : o.stop) {
    if (stop.empty()) return Fail(InvalidArgument("--stop is empty, must be a text"));
  }
  Result<Input> input = Input{};
  const bool automatic = o.model.method == "auto";
  if (automatic) {
    input = ReadPrompt(o, /*question_first=*/false);
    if (!input.ok()) return Fail(input.status());
    if (const Status s = ChooseByLength(*input, o, log); !s.ok()) return Fail(s);
  }
  Result<ModelSetup> setup = Resolve(o.model, log);
  if (!setup.ok()) return Fail(setup.status());
  Result<std::unique_ptr<Engine>> opened = Engine::Open(setup->engine);
  if (!opened.ok()) return Fail(opened.status());
  Engine& engine = **opened;

  if (!automatic) input = ReadPrompt(o, engine.question_first());
  if (!input.ok()) return Fail(input.status());
  Result<Prompt> prompt = Render(engine.tokenizer(), engine.chat_template(), o, *input);
  if (!prompt.ok()) return Fail(prompt.status());
  if (prompt->repaired) {
    log(LogLevel::kWarning, "the prompt is not valid UTF-8; invalid bytes are read as U+FFFD");
  }
  if (const Status s = CheckQuestion(engine, input->question, *prompt); !s.ok()) return Fail(s);
  const int64_t length = static_cast<int64_t>(prompt->tokens.size());
  prompt = FitPrompt(std::move(*prompt), setup->run.max_len, o.max_new_tokens,
                     setup->run.truncation == Truncation::kSuffix);
  if (!prompt.ok()) return Fail(prompt.status());
  if (static_cast<int64_t>(prompt->tokens.size()) < length) {
    log(LogLevel::kWarning,
        fmt::format("the prompt was cut from {} to {} tokens", length, prompt->tokens.size()));
    const Status s = CheckCutQuestion(engine, *prompt, setup->run.max_len);
    if (!s.ok()) return Fail(s);
  }

  GenerateRequest request = {.prompt = std::move(prompt->tokens),
                             .max_new_tokens = o.max_new_tokens,
                             .sampling = o.sampling,
                             .stop = o.stop,
                             .ignore_eos = o.ignore_eos,
                             .question = prompt->question,
                             .measure_coverage = o.coverage};
  if (!o.dump_qkv.second.empty()) {
    request.dump_qkv = QkvDump{o.dump_qkv.first, o.dump_qkv.second};
  }
  Output out;
  ProgressLine progress;
  std::promise<GenerateResult> done;
  // The engine's thread may call back before Submit has returned.
  std::atomic<RequestId> id{0};
  const auto cancel = [&] { engine.Cancel(id); };
  GenerateCallbacks callbacks;
  callbacks.on_progress = [&](const GenerateProgress& p) {
    progress.Update("reading", p.prompt_tokens_read, p.prompt_tokens, "tokens", p.seconds);
    if (p.prompt_tokens_read == p.prompt_tokens) progress.Clear();
  };
  if (!o.json) {
    callbacks.on_text = [&](std::string_view text) {
      out.Write(text);
      if (!out.status().ok()) cancel();
    };
  }
  callbacks.on_done = [&](const GenerateResult& r) { done.set_value(r); };
  std::future<GenerateResult> future = done.get_future();
  const Result<RequestId> submitted = engine.Submit(std::move(request), std::move(callbacks));
  if (!submitted.ok()) return Fail(submitted.status());
  id = *submitted;
  signals.OnSignal(cancel);
  const GenerateResult result = future.get();
  signals.OnSignal({});
  progress.Clear();

  if (o.json) {
    // Partial tokens at the end may leave bytes that are no character.
    out.Write(ToJson(result, Describe(engine.attention()))
                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
              "\n");
  } else if (!result.text.empty()) {
    out.Write("\n");
  }
  if (o.stats || o.coverage) PrintStats(result, engine, o.coverage);
  if (!out.status().ok()) return Fail(out.status());
  if (result.stop_reason == StopReason::kCancelled) {
    std::fprintf(stderr, "quarry: stopped\n");
    return kExitCancelled;
  }
  return result.status.ok() ? kExitOk : Fail(result.status);
}

}  // namespace

void AddRunCommand(CLI::App& app, int* exit_code) {
  CLI::App* c = app.add_subcommand("run", "answer one prompt, or one question about a document");
  auto o = std::make_shared<RunOptions>();
  o->model.AddTo(*c);
  c->add_option("input", o->positional, "- reads the prompt from standard input");
  c->add_option("-p,--prompt", o->prompt, "the prompt");
  c->add_option("-f,--file", o->file, "file with the prompt; - is standard input");
  c->add_option("--document", o->document, "file to be asked about; - is standard input");
  c->add_option("--question", o->question, "the question about the document, or in the prompt");
  c->add_flag("--raw", o->raw, "feed the text as it is, without the chat template");
  c->add_option("-n,--max-new-tokens", o->max_new_tokens, "tokens of the answer at most")
      ->check(WholeNumber())
      ->capture_default_str();
  c->add_option("--temp,--temperature", o->sampling.temperature, "0: always the most likely token")
      ->capture_default_str();
  c->add_option("--top-k", o->sampling.top_k, "0: all tokens")
      ->check(WholeNumber())
      ->capture_default_str();
  c->add_option("--top-p", o->sampling.top_p, "1: all tokens")->capture_default_str();
  c->add_option("--min-p", o->sampling.min_p, "0: all tokens")->capture_default_str();
  c->add_option("--repetition-penalty", o->sampling.repetition_penalty, "1: none")
      ->capture_default_str();
  c->add_option("--seed", o->sampling.seed, "of the draws")
      ->check(SeedNumber())
      ->capture_default_str();
  c->add_option("--stop", o->stop, "end the answer before this text (repeatable)")
      ->allow_extra_args(false);
  c->add_flag("--ignore-eos", o->ignore_eos, "go on after an end token");
  c->add_flag("--json", o->json, "print one JSON object instead of streaming the answer");
  c->add_flag("--coverage", o->coverage,
              "measure how much of the attention over all tokens was kept; implies --stats");
  c->add_option(
       "--dump-qkv", o->dump_qkv,
       "while the prompt is read, write queries, keys and values of this layer to FILE "
       "(safetensors, f32, before the rotary embedding), for quarry bench attention --qkv; "
       "takes 4 * (heads + 2 * kv heads) * head size bytes of disk a token, and one chunk "
       "of memory")
      ->type_name("LAYER FILE");
  c->add_flag("--stats", o->stats, "print time, memory and density to standard error");
  c->footer(R"(Examples:
  quarry run -m models/needle-5m -p "What is the pass key? ..."
  quarry run -m models/needle-5m --method inf-llm --document book.txt \
             --question "What is the pass key?" --stats
  quarry run -c config/llama-3-inf-llm.yaml -m /models/llama-3-8b --set topk=32 -f prompt.txt
  quarry run -m models/needle-5m -f book.txt --raw -n 1 --dump-qkv 2 layer2.safetensors

The answer goes to standard output, everything else to standard error. Ctrl-C ends the answer and
keeps what was produced; a second Ctrl-C ends within a second.
Exit status: 0 done, 1 internal error, 2 bad option, value or input, 3 not found, 4 corrupt file,
5 unsupported, 6 out of memory, 7 output failed, 130 stopped.)");
  c->callback([o, exit_code] { *exit_code = Run(*o); });
}

}  // namespace quarry::cli
