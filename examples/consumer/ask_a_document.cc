// Asks a question about a file, with InfLLM's context memory:
//
//   ask_a_document MODEL FILE QUESTION

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "quarry/config.h"
#include "quarry/engine.h"
#include "quarry/prompt.h"

namespace {

int Fail(const std::string& message) {
  std::fprintf(stderr, "ask_a_document: %s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return Fail("usage: ask_a_document MODEL FILE QUESTION");
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) return Fail(std::string(argv[2]) + ": cannot be read");
  const std::string document((std::istreambuf_iterator<char>(file)), {});
  const std::string question = argv[3];

  const auto info = quarry::InspectModel(argv[1]);
  if (!info.ok()) return Fail(info.status().message());
  quarry::EngineOptions options;
  options.model = argv[1];
  options.attention = quarry::SuggestAttentionConfig(quarry::InfLlmConfig{}, info->native_context);
  const auto engine = quarry::Engine::Open(options);
  if (!engine.ok()) return Fail(engine.status().message());

  const quarry::ChatMessage message[] = {
      {"user", quarry::DocumentMessage(document, question, (*engine)->question_first())}};
  auto prompt =
      quarry::ChatPrompt((*engine)->tokenizer(), (*engine)->chat_template(), message, question);
  if (!prompt.ok()) return Fail(prompt.status().message());

  quarry::GenerateRequest request;
  request.prompt = std::move(prompt->tokens);
  request.question = prompt->question;
  request.max_new_tokens = 64;
  const quarry::GenerateResult result = (*engine)->Generate(
      std::move(request), {.on_progress = {},
                           .on_text =
                               [](std::string_view text) {
                                 std::fwrite(text.data(), 1, text.size(), stdout);
                                 std::fflush(stdout);
                               },
                           .on_done = {}});
  std::puts("");
  return result.status.ok() ? 0 : Fail(result.status.message());
}
