#include "eval/ruler.h"

namespace quarry::eval {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Length of the quote or bracket at `at` that may close (or open) a sentence, 0 if there is none.
size_t QuoteLength(std::string_view text, size_t at, bool opening) {
  const std::string_view rest = text.substr(at);
  if (rest.empty()) return 0;
  const std::string_view ascii = opening ? "\"'(" : "\"')]}";
  if (ascii.find(rest[0]) != std::string_view::npos) return 1;
  for (std::string_view quote : {opening ? "“" : "”", opening ? "‘" : "’"}) {
    if (rest.starts_with(quote)) return quote.size();
  }
  return 0;
}

bool Begins(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const char c = text[at];
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || QuoteLength(text, at, true) > 0;
}

}  // namespace

std::vector<std::string> SplitSentences(std::string_view text) {
  std::vector<std::string> sentences;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '.' && text[i] != '!' && text[i] != '?') continue;
    size_t end = i + 1;
    while (const size_t quote = QuoteLength(text, end, false)) end += quote;
    size_t next = end;
    while (next < text.size() && IsSpace(text[next])) ++next;
    if (next == end || !Begins(text, next)) continue;
    sentences.emplace_back(text.substr(begin, end - begin));
    begin = next;
    i = next - 1;
  }
  if (begin < text.size()) sentences.emplace_back(text.substr(begin));
  return sentences;
}

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace quarry::eval
