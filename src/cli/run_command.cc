#include "cli/run_command.h"

#include <atomic>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "quarry/prompt.h"

#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace quarry::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  std::string prompt, file, positional;
  std::string document, question;
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

Result<Input> ReadPrompt(const RunOptions& o, bool question_first) {
  const int sources =
      !o.prompt.empty() + !o.file.empty() + !o.positional.empty() + !o.document.empty();
  if (sources == 0) {
    return InvalidArgument("no prompt: give --prompt TEXT, --file FILE, - or --document FILE");
  }
  if (sources > 1) {
    return InvalidArgument("more than one of --prompt, --file, - and --document was given");
  }
  if (!o.positional.empty() && o.positional != "-") {
    return InvalidArgument(fmt::format(
        "unexpected argument \"{}\"; only - (standard input) may stand alone", o.positional));
  }
  if (!o.document.empty()) {
    if (o.question.empty()) return InvalidArgument("--document needs --question TEXT");
    Result<std::string> document = ReadInput(o.document);
    if (!document.ok()) return document.status();
    if (document->empty()) return Empty(o.document);
    return Input{DocumentMessage(*document, o.question, question_first), o.question};
  }
  if (!o.prompt.empty()) return Input{o.prompt, o.question};
  Result<std::string> text = ReadInput(o.file.empty() ? "-" : o.file);
  if (!text.ok()) return text.status();
  if (text->empty()) return Empty(o.file.empty() ? "-" : o.file);
  return Input{std::move(*text), o.question};
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

// --method auto: the choice for what `input` has in tokens.
Status ChooseByLength(const Input& input, RunOptions& o, const LogSink& log) {
  if (!o.model.prefill.empty() || !o.model.decode.empty()) {
    return InvalidArgument("--method auto chooses both phases: leave out --prefill and --decode");
  }
  if (o.model.model.empty() && !o.model.config.empty()) {
    const std::vector<std::string> dense = {"attention=", "model.type=dense"};
    const Result<RunConfig> run = LoadRunConfig(o.model.config, dense);
    if (!run.ok()) return run.status();
    o.model.model = run->model_path;
  }
  if (o.model.model.empty()) return InvalidArgument("--method auto needs a model: -m");
  const Result<ModelInfo> info = InspectModel(o.model.model);
  if (!info.ok()) return info.status();
  const Result<Tokenizer> tokenizer = Tokenizer::Load(o.model.model);
  if (!tokenizer.ok()) return tokenizer.status();
  const Result<std::vector<TokenId>> ids = tokenizer->Encode(input.text);
  if (!ids.ok()) return ids.status();
  const auto tokens = static_cast<int64_t>(ids->size()) + o.max_new_tokens;
  const MethodChoice choice = ChooseMethods(tokens, info->native_context);
  o.model.method.clear();
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

int Run(RunOptions o) {
  SignalWatcher signals;
  const LogSink log = StandardErrorLog();
  if (const Status s = o.sampling.Validate(); !s.ok()) return Fail(s);
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
  Result<Prompt> prompt = Prompt{};
  if (o.raw) {
    prompt = RawPrompt(engine.tokenizer(), input->text, input->question);
  } else {
    const ChatMessage message[] = {{.role = "user", .content = input->text}};
    prompt = ChatPrompt(engine.tokenizer(), engine.chat_template(), message, input->question);
  }
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
      ->capture_default_str();
  c->add_option("--temp,--temperature", o->sampling.temperature, "0: always the most likely token")
      ->capture_default_str();
  c->add_option("--top-k", o->sampling.top_k, "0: all tokens")->capture_default_str();
  c->add_option("--top-p", o->sampling.top_p, "1: all tokens")->capture_default_str();
  c->add_option("--min-p", o->sampling.min_p, "0: all tokens")->capture_default_str();
  c->add_option("--repetition-penalty", o->sampling.repetition_penalty, "1: none")
      ->capture_default_str();
  c->add_option("--seed", o->sampling.seed, "of the draws")->capture_default_str();
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
keeps what was produced; a second Ctrl-C ends at once.
Exit status: 0 done, 1 internal error, 2 bad option or value, 3 not found, 4 corrupt file,
5 unsupported, 6 out of memory, 7 output failed, 130 stopped.)");
  c->callback([o, exit_code] { *exit_code = Run(*o); });
}

}  // namespace quarry::cli
