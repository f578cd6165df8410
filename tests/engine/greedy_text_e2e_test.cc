// The text that every method writes, greedily, about a book with a planted fact: pinned in
// tests/golden/greedy, which has no room for a method without a pin. A method that loses the fact
// is pinned with what it says instead; settings are small enough for selections to matter.
//
// Keys, values and weights are f32, and the end token is a token like others, so that 24 tokens
// come of every method. A text that changed on purpose is copied from the failure's message.

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "quarry/config.h"
#include "quarry/engine.h"
#include "quarry/prompt.h"

#include "base/file.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

using nlohmann::json;

json Pins() { return json::parse(*ReadFile(GoldenInTree("greedy/needle-5m-8k.json"), 1 << 20)); }

std::string Name(const json& run) {
  return run.contains("method")
             ? run["method"].get<std::string>()
             : run["prefill"].get<std::string>() + "+" + run["decode"].get<std::string>();
}

// Its parameters that are not given are the method's defaults.
RunConfig Configured(const json& run) {
  const auto method = [&](const char* key) {
    return *DefaultAttentionConfig(run[key].get<std::string>());
  };
  const PhaseMethods methods = run.contains("method")
                                   ? PhaseMethods(method("method"))
                                   : PhaseMethods(method("prefill"), method("decode"));
  const auto set = run["set"].get<std::vector<std::string>>();
  Result<RunConfig> config = DefaultRunConfig(methods, set);
  EXPECT_TRUE(config.ok()) << Name(run) << ": " << config.status().message();
  if (!config.ok()) return {};
  EXPECT_TRUE(config->notes.empty()) << Name(run) << ": " << config->notes.front();
  return *std::move(config);
}

std::string Answer(const json& pins, const json& run) {
  EngineOptions options;
  options.model = SourcePath(pins["model"].get<std::string>()).string();
  options.attention = Configured(run).attention;
  options.weight_dtype = DType::kF32;
  options.kv_dtype = DType::kF32;
  options.threads = 2;
  Result<std::unique_ptr<Engine>> engine = Engine::Open(std::move(options));
  if (!engine.ok()) return engine.status().message();

  const std::string book = *ReadFile(SourcePath(pins["book"].get<std::string>()), 1 << 24);
  std::string text = book.substr(pins["begin"], pins["bytes"]);
  text.insert(text.find(". ", text.size() / 3) + 1, pins["needle"].get<std::string>());
  const std::string question = pins["question"];
  const ChatMessage message[] = {
      {.role = "user", .content = DocumentMessage(text, question, (*engine)->question_first())}};
  Result<Prompt> prompt =
      ChatPrompt((*engine)->tokenizer(), (*engine)->chat_template(), message, question);
  if (!prompt.ok()) return prompt.status().message();
  GenerateRequest request;
  request.prompt = std::move(prompt->tokens);
  request.question = prompt->question;
  request.max_new_tokens = pins["max_new_tokens"];
  request.ignore_eos = true;
  request.decode_tail = 16;  // methods that decode meet the question
  const GenerateResult result = (*engine)->Generate(std::move(request));
  return result.status.ok() ? result.text : result.status.message();
}

TEST(GreedyText, EveryMethodAndTwoCompositionsArePinned) {
  const json pins = Pins();
  std::multiset<std::string> pinned;
  size_t compositions = 0;
  for (const json& run : pins["runs"]) {
    pinned.insert(Name(run));
    compositions += run.contains("method") ? 0 : 1;
  }
  for (const std::string_view name : MethodNames()) {
    EXPECT_GE(pinned.count(std::string(name)), 1u) << name << " has no pin";
  }
  EXPECT_GE(compositions, 2u);
}

TEST(GreedyText, IsWhatWasPinned) {
  const json pins = Pins();
  for (const json& run : pins["runs"]) {
    EXPECT_EQ(json(Answer(pins, run)).dump(), run["text"].dump()) << Name(run);
  }
}

}  // namespace
}  // namespace quarry
