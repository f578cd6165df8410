#include "eval/task.h"

namespace quarry::eval {
namespace {

// Where a chat template is missing: the form that base models continue.
std::string CompletionForm(const Sample& s, bool question_first) {
  std::string text = question_first ? s.question + "\n\n" : "";
  return text + s.document + "\nQuestion: " + s.question + "\nAnswer:";
}

// The first and the last max/2 tokens, as InfiniteBench cuts.
void CutMiddle(int64_t max, Prompt& prompt) {
  const auto n = static_cast<int64_t>(prompt.tokens.size());
  if (max <= 0 || n <= max) return;
  const int64_t half = max / 2;
  prompt.tokens.erase(prompt.tokens.begin() + half, prompt.tokens.end() - half);
  const int64_t gone = n - 2 * half;
  if (prompt.question.begin >= n - half) {
    prompt.question.begin -= gone;
    prompt.question.end -= gone;
  } else if (prompt.question.end > half) {
    prompt.question = {};
  }
}

}  // namespace

std::string_view WordingName(Wording wording) {
  return wording == Wording::kSimple ? "simple" : "original";
}

Result<Prompt> BuildPrompt(const Tokenizer& tokenizer, const ChatTemplate* chat, const Sample& s,
                           bool question_first) {
  if (!s.tokens.empty()) return Prompt{s.tokens, {}, false};
  Result<Prompt> prompt = Prompt{};
  if (!s.messages.empty() && chat != nullptr) {
    prompt = ChatPrompt(tokenizer, chat, s.messages, s.question);
  } else if (!s.messages.empty()) {
    std::string text;
    for (const ChatMessage& m : s.messages) text += (text.empty() ? "" : "\n") + m.content;
    prompt = RawPrompt(tokenizer, text + "\n", s.question);
  } else if (s.prompt.empty() && chat == nullptr) {
    prompt = RawPrompt(tokenizer, CompletionForm(s, question_first), s.question);
  } else if (s.prompt.empty()) {
    const ChatMessage message[] = {
        {.role = "user", .content = DocumentMessage(s.document, s.question, question_first)}};
    prompt = ChatPrompt(tokenizer, chat, message, s.question);
  } else if (!s.role.empty() && chat != nullptr) {
    const ChatMessage message[] = {{.role = s.role, .content = s.prompt}};
    prompt = ChatPrompt(tokenizer, chat, message, s.question);
  } else {
    // One text: tokens may reach across the border to the answer's beginning.
    prompt = RawPrompt(tokenizer, s.prompt + s.answer_prefix, s.question);
    if (prompt.ok()) CutMiddle(s.max_tokens, *prompt);
    return prompt;
  }
  if (prompt.ok() && !s.answer_prefix.empty()) {
    const Result<std::vector<TokenId>> prefix =
        tokenizer.Encode(s.answer_prefix, {.add_special_tokens = false, .parse_special = false});
    if (!prefix.ok()) return prefix.status();
    prompt->tokens.insert(prompt->tokens.end(), prefix->begin(), prefix->end());
  }
  if (prompt.ok()) CutMiddle(s.max_tokens, *prompt);
  return prompt;
}

}  // namespace quarry::eval
