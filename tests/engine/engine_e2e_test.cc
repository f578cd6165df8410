// The engine with the bundled model: requests side by side, cancelled, refused.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "quarry/config.h"
#include "quarry/engine.h"
#include "quarry/prompt.h"

#include "base/file.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::HasSubstr;

EngineOptions Options() {
  EngineOptions options;
  options.model = SourcePath("models/needle-5m").string();
  options.threads = 2;
  options.chunk_size = 64;
  return options;
}

std::unique_ptr<Engine> Open(EngineOptions options = Options()) {
  Result<std::unique_ptr<Engine>> engine = Engine::Open(std::move(options));
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(*engine) : nullptr;
}

GenerateRequest Ask(const Engine& engine, const std::string& key, int filler) {
  std::string text;
  for (int i = 0; i < filler; ++i) text += "The grass is green. The sky is blue. ";
  text += "The pass key is " + key + ". Remember it. " + key + " is the pass key.";
  const ChatMessage message[] = {{.role = "user", .content = text + "\n\nWhat is the pass key?"}};
  Result<Prompt> prompt = ChatPrompt(engine.tokenizer(), engine.chat_template(), message, "");
  EXPECT_TRUE(prompt.ok());
  GenerateRequest request;
  request.prompt = std::move(prompt->tokens);
  request.max_new_tokens = 12;
  return request;
}

// Submits all requests at once; their texts.
std::vector<std::string> SideBySide(Engine& engine, std::vector<GenerateRequest> requests) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> texts(requests.size());
  size_t done = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Result<RequestId> id = engine.Submit(
        std::move(requests[i]),
        {.on_progress = {}, .on_text = {}, .on_done = [&, i](const GenerateResult& r) {
           std::lock_guard lock(mutex);
           texts[i] = r.status.ok() ? r.text : r.status.message();
           ++done;
           changed.notify_all();
         }});
    EXPECT_TRUE(id.ok());
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done == texts.size(); });
  return texts;
}

TEST(Engine, RequestsSideBySideAnswerAsAlone) {
  const auto engine = Open();
  const std::vector<std::string> keys = {"53817", "90210", "11235", "40404"};
  std::vector<std::string> alone;
  std::vector<GenerateRequest> requests;
  for (size_t i = 0; i < keys.size(); ++i) {
    const GenerateRequest request = Ask(*engine, keys[i], 8 * static_cast<int>(i));
    alone.push_back(engine->Generate(request).text);
    EXPECT_EQ(alone.back(), keys[i]);
    requests.push_back(request);
  }
  EXPECT_EQ(SideBySide(*engine, requests), alone);
}

TEST(Engine, RequestsSideBySideAnswerAsAloneWithEveryMethod) {
  for (std::string_view name : MethodNames()) {
    EngineOptions options = Options();
    options.attention = SuggestAttentionConfig(*DefaultAttentionConfig(name), 256);
    const auto engine = Open(options);
    std::vector<GenerateRequest> requests;
    std::vector<std::string> alone;
    for (int filler : {10, 40, 0}) {
      GenerateRequest request = Ask(*engine, "53817", filler);
      request.question = {4, 20};
      request.ignore_eos = true;
      alone.push_back(engine->Generate(request).text);
      requests.push_back(request);
    }
    EXPECT_EQ(SideBySide(*engine, requests), alone) << name;
  }
}

TEST(Engine, TwoEnginesInOneProcess) {
  const auto a = Open();
  EngineOptions options = Options();
  options.attention = StreamLlmConfig{.n_init = 4, .n_local = 64};
  const auto b = Open(options);
  std::string text_a, text_b;
  std::thread other([&] { text_b = b->Generate(Ask(*b, "90210", 0)).text; });
  text_a = a->Generate(Ask(*a, "53817", 20)).text;
  other.join();
  EXPECT_EQ(text_a, "53817");
  EXPECT_EQ(text_b, "90210");
}

TEST(Engine, CancelEndsOneRequestOnly) {
  const auto engine = Open();
  GenerateRequest endless = Ask(*engine, "53817", 0);
  endless.max_new_tokens = 1 << 20;
  endless.ignore_eos = true;
  std::promise<GenerateResult> ended;
  std::promise<void> began;
  bool first = true;
  const Result<RequestId> id = engine->Submit(
      std::move(endless), {.on_progress = {},
                           .on_text =
                               [&](std::string_view) {
                                 if (first) began.set_value();
                                 first = false;
                               },
                           .on_done = [&](const GenerateResult& r) { ended.set_value(r); }});
  ASSERT_TRUE(id.ok());
  began.get_future().wait();
  engine->Cancel(*id);
  engine->Cancel(*id);
  const GenerateResult result = ended.get_future().get();
  EXPECT_EQ(result.stop_reason, StopReason::kCancelled);
  EXPECT_EQ(result.status.code(), StatusCode::kCancelled);
  EXPECT_FALSE(result.text.empty());
  engine->Cancel(*id + 100);  // nobody's
  EXPECT_EQ(engine->Generate(Ask(*engine, "90210", 0)).text, "90210");
}

TEST(Engine, StopsAtTheCallersTokens) {
  const auto engine = Open();
  const GenerateResult whole = engine->Generate(Ask(*engine, "53817", 0));
  ASSERT_GE(whole.token_ids.size(), 3u);
  GenerateRequest request = Ask(*engine, "53817", 0);
  request.stop_ids = {whole.token_ids[2]};
  const GenerateResult cut = engine->Generate(std::move(request));
  const auto at = std::find(whole.token_ids.begin(), whole.token_ids.end(), whole.token_ids[2]);
  EXPECT_EQ(cut.token_ids, std::vector<TokenId>(whole.token_ids.begin(), at));
  EXPECT_EQ(cut.stop_reason, StopReason::kEos);
}

// A method that bounds distances helps only as far as the model was trained.
TEST(Engine, WarnsOfDistancesThatTheModelNeverSaw) {
  for (const int64_t n_local : {int64_t{1024}, int64_t{4096}}) {
    std::string warnings;
    EngineOptions options = Options();
    InfLlmConfig config;
    config.n_local = n_local;
    options.attention = config;
    options.log = [&](LogLevel level, std::string_view message) {
      if (level == LogLevel::kWarning) warnings += message;
    };
    const auto engine = Open(std::move(options));
    GenerateRequest request = Ask(*engine, "53817", 0);
    request.max_new_tokens = 5000;  // not that many are made
    EXPECT_TRUE(engine->Generate(std::move(request)).status.ok());
    EXPECT_EQ(warnings, n_local == 1024 ? ""
                                        : "inf-llm sees 4096 tokens back; the model was trained "
                                          "for 2048 (n_local sets how far it sees)");
  }
}

// A request that is cancelled while its prompt is read says how much of it was.
TEST(Engine, CancelledWhileReadingCountsWhatWasRead) {
  const auto engine = Open();
  std::promise<GenerateResult> ended;
  std::atomic<RequestId> id = 0;
  std::promise<void> id_known;
  const Result<RequestId> submitted =
      engine->Submit(Ask(*engine, "53817", 100),
                     {.on_progress =
                          [&](const GenerateProgress& p) {
                            if (p.prompt_tokens_read > 64) return;
                            id_known.get_future().wait();
                            engine->Cancel(id);
                          },
                      .on_text = {},
                      .on_done = [&](const GenerateResult& r) { ended.set_value(r); }});
  ASSERT_TRUE(submitted.ok());
  id = *submitted;
  id_known.set_value();
  const GenerateResult r = ended.get_future().get();
  EXPECT_EQ(r.stop_reason, StopReason::kCancelled);
  EXPECT_EQ(r.prompt_tokens, 64);
  EXPECT_DOUBLE_EQ(r.prefill_tokens_per_second(), 64 / r.prefill_seconds);
}

// An answer whose decoder fails at its end is an error, not a shorter answer.
TEST(Engine, ADecoderThatFailsAtTheEndIsAnError) {
  std::ifstream in(SourcePath("models/needle-5m/tokenizer.json"));
  nlohmann::json json = nlohmann::json::parse(in);
  const auto replace = [](nlohmann::json pattern, char content) {
    return nlohmann::json{{"type", "Replace"},
                          {"pattern", std::move(pattern)},
                          {"content", std::string(2000, content)}};
  };
  json["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "ByteLevel"}},
                       replace({{"Regex", ".|\n"}}, 'a'),
                       replace({{"String", "a"}}, 'b'),
                       replace({{"String", "b"}}, 'c')}}};
  const TempDir folder;
  ASSERT_TRUE(WriteFileAtomically(folder.path() / "tokenizer.json", json.dump()).ok());
  EngineOptions options = Options();
  options.tokenizer = folder.path().string();
  const auto engine = Open(options);
  const GenerateResult r = engine->Generate(Ask(*engine, "53817", 0));
  EXPECT_EQ(r.stop_reason, StopReason::kError);
  EXPECT_EQ(r.status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(r.status.message()), HasSubstr("bytes"));
}

TEST(Engine, ClosingCancelsWhatRuns) {
  std::promise<GenerateResult> ended;
  {
    const auto engine = Open();
    GenerateRequest endless = Ask(*engine, "53817", 0);
    endless.max_new_tokens = 1 << 20;
    endless.ignore_eos = true;
    ASSERT_TRUE(engine
                    ->Submit(std::move(endless),
                             {.on_progress = {},
                              .on_text = {},
                              .on_done = [&](const GenerateResult& r) { ended.set_value(r); }})
                    .ok());
  }
  EXPECT_EQ(ended.get_future().get().stop_reason, StopReason::kCancelled);
}

TEST(Engine, RefusesWhatCannotRun) {
  const auto engine = Open();
  const auto refusal = [&](auto change) {
    GenerateRequest request = Ask(*engine, "53817", 0);
    change(request);
    return std::string(engine->Submit(std::move(request), {}).status().message());
  };
  EXPECT_THAT(refusal([](auto& r) { r.prompt.clear(); }), HasSubstr("no tokens"));
  EXPECT_THAT(refusal([](auto& r) { r.prompt[0] = 2048; }),
              HasSubstr("token id 2048 is not in the vocabulary of 2048"));
  EXPECT_THAT(refusal([](auto& r) { r.prompt[0] = -1; }), HasSubstr("token id -1"));
  EXPECT_THAT(refusal([](auto& r) { r.max_new_tokens = -1; }), HasSubstr("max_new_tokens is -1"));
  EXPECT_THAT(refusal([](auto& r) { r.max_new_tokens = int64_t{1} << 40; }),
              HasSubstr("positions"));
  EXPECT_THAT(refusal([](auto& r) { r.question = {0, 1 << 20}; }), HasSubstr("question"));
  // More keys and values than the machine has memory for: refused before anything is read.
  EXPECT_THAT(refusal([](auto& r) { r.max_new_tokens = int64_t{1} << 29; }), HasSubstr("MiB"));
}

TEST(Engine, RefusesOptionsByName) {
  const auto refusal = [](auto change) {
    EngineOptions options = Options();
    change(options);
    const auto engine = Engine::Open(options);
    return engine.ok() ? "" : std::string(engine.status().message());
  };
  EXPECT_THAT(refusal([](auto& o) { o.threads = -1; }), HasSubstr("threads is -1"));
  EXPECT_THAT(refusal([](auto& o) { o.chunk_size = 0; }), HasSubstr("chunk_size is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.distance_scale = 0; }), HasSubstr("distance_scale is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.attention = StreamLlmConfig{.n_local = 0}; }),
              HasSubstr("n_local is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.model = "/nowhere"; }), HasSubstr("/nowhere"));
  EXPECT_THAT(refusal([](auto& o) { o.conv_type = "nobody"; }), HasSubstr("nobody"));
}

}  // namespace
}  // namespace quarry
