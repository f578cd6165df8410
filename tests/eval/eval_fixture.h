// The bundled model's tokenizer and chat template with the bundled novel, as tasks see them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "eval/task.h"
#include "tests/support/paths.h"

namespace quarry::eval {

class EvalFixture : public testing::Test {
 protected:
  struct Shared {
    std::optional<Tokenizer> tokenizer;
    std::optional<ChatTemplate> chat;
    std::optional<Haystack> haystack;
    std::vector<TokenId> tokens;
    WordLists words = BuiltInWords();
    std::optional<WordPairs> keys;
  };

  static const Shared& shared() {
    static const Shared* const all = [] {
      auto* s = new Shared();
      const auto model = SourcePath("models/needle-5m");
      s->tokenizer = *Tokenizer::Load(model);
      s->chat = *ChatTemplate::FromModelFolder(model);
      s->haystack = *Haystack::Load(SourcePath("data/pride_and_prejudice.txt"));
      s->tokens = *s->tokenizer->Encode(s->haystack->text(), {.add_special_tokens = false});
      s->keys.emplace(s->words.adjectives, s->words.nouns);
      return s;
    }();
    return *all;
  }

  static TaskContext Context(Wording wording) {
    TaskContext c;
    c.tokenizer = &*shared().tokenizer;
    c.chat = &*shared().chat;
    c.haystack = &*shared().haystack;
    c.haystack_tokens = shared().tokens;
    c.words = &shared().words;
    c.keys = &*shared().keys;
    c.wording = wording;
    c.depths = {0, 50, 100};
    return c;
  }

  static const EvalTask& Task(std::string_view name) { return *(*FindTasks(name))[0]; }

  static std::vector<Sample> Make(const EvalTask& task, const TaskContext& context, int64_t length,
                                  int64_t samples, uint64_t seed = 42) {
    auto made = task.Generate(context, {.length = length, .samples = samples, .seed = seed});
    EXPECT_TRUE(made.ok()) << task.name() << ": " << made.status().message();
    return made.ok() ? *made : std::vector<Sample>();
  }

  static int64_t Tokens(const Sample& s, bool question_first = false) {
    const auto prompt = BuildPrompt(*shared().tokenizer, &*shared().chat, s, question_first);
    EXPECT_TRUE(prompt.ok());
    return static_cast<int64_t>(prompt->tokens.size());
  }

  static std::string Text(const Sample& s) {
    return *shared().tokenizer->Decode(
        BuildPrompt(*shared().tokenizer, &*shared().chat, s, false)->tokens);
  }
};

}  // namespace quarry::eval
