// The main job on the bundled model: a fact is planted in a long book and asked for, with InfLLM's
// context memory, with Quarry's own and with dense attention. Uses the public API only.
//
//   quarry-demo MODEL BOOK CONFIG [TOKENS [DEPTH_PERCENT]]

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <unistd.h>

#include "quarry/config.h"
#include "quarry/engine.h"
#include "quarry/prompt.h"

namespace {

constexpr const char* kFact = "The pass key is 53817. Remember it. 53817 is the pass key.";
constexpr const char* kAnswer = "53817";
constexpr const char* kQuestion = "What is the pass key?";

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "quarry-demo: %s\n", message.c_str());
  std::exit(1);
}

template <typename T>
T Must(quarry::Result<T> result) {
  if (!result.ok()) Die(result.status().message());
  return std::move(result).value();
}

// The book from its start, cut to about `bytes`, with the fact after the sentence that ends next to
// `depth` percent. A book that is too short starts over.
std::string PlantFact(const std::string& book, size_t bytes, int depth) {
  std::string text;
  while (text.size() < bytes) text += book;
  text.resize(bytes);
  size_t at = bytes * static_cast<size_t>(depth) / 100;
  at = text.find(". ", at);
  at = at == std::string::npos ? text.size() : at + 1;
  return text.substr(0, at) + " " + kFact + text.substr(at);
}

// Prints a row as soon as it is known; whether the answer is right.
bool Ask(const std::string& model, const quarry::AttentionSetup& attention,
         const std::string& document) {
  quarry::EngineOptions options;
  options.model = model;
  options.attention = attention;
  options.context_warning = false;
  auto engine = Must(quarry::Engine::Open(options));
  const quarry::ChatMessage message[] = {
      {"user", quarry::DocumentMessage(document, kQuestion, engine->question_first())}};
  quarry::Prompt prompt =
      Must(quarry::ChatPrompt(engine->tokenizer(), engine->chat_template(), message, kQuestion));

  const std::string method(quarry::Describe(attention));
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  quarry::GenerateRequest request;
  request.prompt = std::move(prompt.tokens);
  request.max_new_tokens = 24;
  request.question = prompt.question;
  quarry::GenerateCallbacks callbacks;
  callbacks.on_progress = [&](const quarry::GenerateProgress& p) {
    if (!terminal) return;
    const double rate = static_cast<double>(p.prompt_tokens_read) / p.seconds;
    std::fprintf(stderr, "\r%-8s %lld / %lld tokens, %.0f tokens/s, %.0f s left   ", method.c_str(),
                 static_cast<long long>(p.prompt_tokens_read),
                 static_cast<long long>(p.prompt_tokens), rate,
                 static_cast<double>(p.prompt_tokens - p.prompt_tokens_read) / rate);
  };
  const quarry::GenerateResult result = engine->Generate(std::move(request), std::move(callbacks));
  if (terminal) std::fprintf(stderr, "\r\x1b[K");
  if (!result.status.ok()) Die(method + ": " + result.status.message());

  std::string answer = result.text.substr(0, 24);
  for (char& c : answer) c = c == '\n' ? ' ' : c;
  const bool right = result.text.find(kAnswer) != std::string::npos;
  std::printf("%-9s  %-24s  %-6s  %8lld  %7.1f s  %9.0f  %6.0f MiB  %6.2f %%\n", method.c_str(),
              answer.c_str(), right ? "yes" : "no", static_cast<long long>(result.prompt_tokens),
              result.prefill_seconds, result.prefill_tokens_per_second(),
              static_cast<double>(result.kv_bytes) / 1048576.0, 100 * result.density);
  std::fflush(stdout);
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6) Die("usage: quarry-demo MODEL BOOK CONFIG [TOKENS [DEPTH_PERCENT]]");
  const std::string model = argv[1];
  const int tokens = argc > 4 ? std::atoi(argv[4]) : 131072;
  const int depth = argc > 5 ? std::atoi(argv[5]) : 40;
  if (tokens < 1000 || depth < 0 || depth > 100) {
    Die("TOKENS must be at least 1000 and DEPTH_PERCENT between 0 and 100");
  }
  std::ifstream in(argv[2]);
  if (!in) Die(std::string(argv[2]) + ": cannot be read");
  std::stringstream book;
  book << in.rdbuf();

  const quarry::ModelInfo info = Must(quarry::InspectModel(model));
  // A token of this model is somewhat over 3 characters of prose.
  const std::string document = PlantFact(book.str(), static_cast<size_t>(tokens) * 31 / 10, depth);
  const std::string set[] = {"model.path=" + model};
  const quarry::RunConfig memory = Must(quarry::LoadRunConfig(argv[3], set));

  std::printf("model     %s, %lld parameters, trained for %lld tokens\n", model.c_str(),
              static_cast<long long>(info.parameters), static_cast<long long>(info.native_context));
  std::printf("document  %s, %zu characters; at %d %%: \"%s\"\n", argv[2], document.size(), depth,
              kFact);
  std::printf("question  %s\n\n", kQuestion);
  std::printf("%-9s  %-24s  %-6s  %8s  %9s  %9s  %10s  %8s\n", "method", "answer", "right",
              "tokens", "read", "tokens/s", "context", "density");
  std::fflush(stdout);
  const bool found = Ask(model, memory.attention, document);
  Ask(model, quarry::SuggestAttentionConfig(quarry::InfQuestConfig{}, info.native_context),
      document);
  Ask(model, quarry::DenseConfig{}, document);
  std::printf(
      "\nDense attention sees every token, but at distances the model never met in training; the\n"
      "context memory keeps all distances within the window it was trained for.\n");
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) Die("standard output: write failed");
  return found ? 0 : 1;
}
