// From texts to the tokens of a prompt.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/chat.h"
#include "quarry/status.h"
#include "quarry/tokenizer.h"
#include "quarry/types.h"

namespace quarry {

struct Prompt {
  std::vector<TokenId> tokens;
  TokenRange question;  // of the tokens; empty: none
  // Some bytes were not UTF-8; each maximal invalid part was read as U+FFFD.
  bool repaired = false;
};

// The text as it is, special tokens in it read as such, and those around it that the tokenizer asks
// for. `question` is looked for in it; empty: none. A text that begins with the question, and has
// more, has it there; in any other the last place counts.
Result<Prompt> RawPrompt(const Tokenizer& tokenizer, std::string_view text,
                         std::string_view question = {});

// The messages through the template, ready for the model's answer. Special tokens come from the
// template alone: text of the messages that spells one is text. Without a template (null), the last
// message as it is, all of it text. `question` as above.
Result<Prompt> ChatPrompt(const Tokenizer& tokenizer, const ChatTemplate* chat,
                          std::span<const ChatMessage> messages, std::string_view question = {});

// A document and a question about it, as one user message: the document, an empty line, the
// question; with `question_first` also the question and an empty line before the document.
std::string DocumentMessage(std::string_view document, std::string_view question,
                            bool question_first);

// Where `question` stands in `prompt`, as Q-LLM looks for it: with more than two tokens, the first
// place, or with `last_place` the last, where all but its first and last stand (those may have
// merged with their neighbours), widened by one on each side; otherwise the first or last exact
// match. Empty if there is none. Linear time.
TokenRange FindQuestion(std::span<const TokenId> prompt, std::span<const TokenId> question,
                        bool last_place = false);

// `prompt` cut to what fits into max_len together with the answer. With `cut`, the first 128 tokens
// and as much of the end as fits are kept, and of the question what is left of it; otherwise a
// prompt that does not fit is an error.
Result<Prompt> FitPrompt(Prompt prompt, int64_t max_len, int64_t max_new_tokens, bool cut);

}  // namespace quarry
