#include "quarry/prompt.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/prefix_trie.h"

namespace quarry {
namespace {

constexpr int64_t kKeptHead = 128;

// Which of several places of a question counts.
enum class Place { kFirst, kLast };

// A text that begins with the question has it there for methods that read it first. Otherwise a
// document before the question may hold the same words.
Place PlaceOf(std::string_view text, std::string_view question) {
  return text.size() > question.size() && text.starts_with(question) ? Place::kFirst : Place::kLast;
}

// Where `what`, which is not empty, first begins in `in`; in.size() if nowhere. By Knuth, Morris
// and Pratt, since both may be long and alike. `in` and `what` are read by index.
template <typename In, typename What>
size_t FindFirst(In in, size_t in_size, What what, size_t what_size) {
  // border[i]: length of the longest beginning of `what` that also ends before i, other than
  // itself.
  std::vector<size_t> border(what_size + 1, 0);
  size_t k = 0;
  for (size_t i = 1; i < what_size; ++i) {
    while (k > 0 && what(i) != what(k)) k = border[k];
    if (what(i) == what(k)) ++k;
    border[i + 1] = k;
  }
  k = 0;
  for (size_t i = 0; i < in_size; ++i) {
    while (k > 0 && in(i) != what(k)) k = border[k];
    if (in(i) == what(k)) ++k;
    if (k == what_size) return i + 1 - what_size;
  }
  return in_size;
}

// The range of the question in the prompt; empty text, no range.
Result<TokenRange> Locate(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                          std::string_view question, Place place) {
  if (question.empty()) return TokenRange{};
  // Behind a space its first word is another token, of which several may differ.
  for (const char* before : {"", " "}) {
    const Result<std::vector<TokenId>> ids = tokenizer.Encode(
        before + std::string(question), {.add_special_tokens = false, .parse_special = false});
    if (!ids.ok()) return ids.status();
    const TokenRange found = FindQuestion(prompt, *ids, place == Place::kLast);
    if (!found.empty()) return found;
  }
  return TokenRange{};
}

Result<Prompt> Finish(const Tokenizer& tokenizer, bool repaired,
                      Result<std::vector<TokenId>> tokens, std::string_view question, Place place) {
  if (!tokens.ok()) return tokens.status();
  Prompt prompt = {std::move(*tokens), {}, repaired};
  const Result<TokenRange> range = Locate(tokenizer, prompt.tokens, question, place);
  if (!range.ok()) return range.status();
  prompt.question = *range;
  return prompt;
}

// Control tokens of a text, found where the tokenizer would find them: special ones, and other
// added tokens that the chat template itself wrote somewhere (DeepSeek's roles).
class ControlTokens {
 public:
  // `written`: what the template wrote, without the messages.
  ControlTokens(const Tokenizer& tokenizer, std::string_view written) {
    std::vector<std::pair<std::string, TokenId>> others;
    text::PrefixTrie candidates;  // of `others`, by index
    for (size_t i = 0; i < tokenizer.vocab_size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      if (!tokenizer.is_added(id)) continue;
      std::optional<std::string> spelling = tokenizer.IdToToken(id);
      if (!spelling || spelling->empty()) continue;
      const bool blank = spelling->find_first_not_of(" \n\t") == spelling->npos;
      if (tokenizer.is_special(id)) {
        tokens_.Insert(*spelling, id);
      } else if (!blank) {
        candidates.Insert(*spelling, static_cast<int32_t>(others.size()));
        others.emplace_back(std::move(*spelling), id);
      }
    }
    for (size_t i = 0; i < written.size(); ++i) {
      candidates.Prefixes(written.substr(i), [&](size_t, int32_t found) {
        const auto& [spelling, id] = others[static_cast<size_t>(found)];
        tokens_.Insert(spelling, id);
      });
    }
  }

  struct Match {
    size_t begin, end;
    TokenId id;
  };
  // The first one at or after `from`, the longest of those that begin there.
  std::optional<Match> Find(std::string_view text, size_t from) const {
    for (size_t i = from; i < text.size(); ++i) {
      if (!tokens_.CanBegin(static_cast<unsigned char>(text[i]))) continue;
      const text::PrefixTrie::Hit hit = tokens_.Longest(text.substr(i));
      if (hit.length > 0) return Match{i, i + hit.length, hit.value};
    }
    return std::nullopt;
  }

 private:
  text::PrefixTrie tokens_;  // values: ids
};

int64_t TokensOf(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text, {.add_special_tokens = false, .parse_special = true});
  return ids.ok() ? static_cast<int64_t>(ids->size()) : 0;
}

// Whether a control token takes a blank before or behind it along, `both` as spelled together.
bool IsTaken(const Tokenizer& tokenizer, const std::string& both) {
  return TokensOf(tokenizer, both) == 1 && TokensOf(tokenizer, " ") > 0;
}

// The text between control tokens, without blanks that these take along.
std::string_view WithoutTaken(std::string_view text, bool before_takes, bool behind_takes) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  if (before_takes) text.remove_prefix(std::min(text.size(), text.find_first_not_of(kBlanks)));
  if (behind_takes) text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  return text;
}

// Encodes rendered segments, joined in `text`: special tokens only where the template wrote them.
Result<std::vector<TokenId>> EncodeSegments(const Tokenizer& tokenizer, const std::string& text,
                                            std::span<const RenderedSegment> segments,
                                            bool add_special_tokens) {
  std::string from_user;  // a byte per byte of text: 1 where it came from a message
  std::string written;
  for (const RenderedSegment& s : segments) {
    from_user.append(s.text.size(), s.from_user ? '\1' : '\0');
    written += s.from_user ? std::string("\n") : s.text;
  }
  const ControlTokens controls(tokenizer, written);
  const auto trusted = [&](const ControlTokens::Match& m) {
    const std::string_view origin = std::string_view(from_user).substr(m.begin, m.end - m.begin);
    return origin.find('\1') == origin.npos;
  };
  bool all_trusted = true;
  for (auto m = controls.Find(text, 0); m && all_trusted; m = controls.Find(text, m->end)) {
    all_trusted = trusted(*m);
  }
  if (all_trusted) {
    return tokenizer.Encode(text,
                            {.add_special_tokens = add_special_tokens, .parse_special = true});
  }
  // Somebody wrote a control token into a message: text between the template's own is encoded as
  // plain text, cut inside what is no special token and would be found all the same.
  std::vector<TokenId> ids;
  if (add_special_tokens && tokenizer.bos_id()) ids.push_back(*tokenizer.bos_id());
  size_t begin = 0;
  bool taken = false;  // blanks at `begin`, by the token before
  const auto append_text = [&](size_t end, bool behind_takes) -> Status {
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const Result<std::vector<TokenId>> encoded =
        tokenizer.Encode(WithoutTaken(part, taken, behind_takes),
                         {.add_special_tokens = false, .parse_special = false});
    if (!encoded.ok()) return encoded.status();
    ids.insert(ids.end(), encoded->begin(), encoded->end());
    begin = end;
    taken = false;
    return OkStatus();
  };
  for (auto m = controls.Find(text, 0); m; m = controls.Find(text, m->end)) {
    const std::string spelled = text.substr(m->begin, m->end - m->begin);
    if (trusted(*m)) {
      const bool takes = IsTaken(tokenizer, " " + spelled);
      if (const Status s = append_text(m->begin, takes); !s.ok()) return s;
      ids.push_back(m->id);
      begin = m->end;
      taken = IsTaken(tokenizer, spelled + " ");
    } else if (!tokenizer.is_special(m->id)) {
      const size_t cut = m->begin + static_cast<size_t>(DecodeUtf8(text, m->begin).length);
      if (const Status s = append_text(cut, false); !s.ok()) return s;
    }
  }
  if (const Status s = append_text(text.size(), false); !s.ok()) return s;
  return ids;
}

}  // namespace

TokenRange FindQuestion(std::span<const TokenId> prompt, std::span<const TokenId> question,
                        bool last_place) {
  const bool widen = question.size() > 2;
  const auto inner = widen ? question.subspan(1, question.size() - 2) : question;
  if (inner.empty()) return {};
  const size_t n = prompt.size(), m = inner.size();
  size_t at = 0;
  if (last_place) {
    const size_t from_end = FindFirst([&](size_t i) { return prompt[n - 1 - i]; }, n,
                                      [&](size_t i) { return inner[m - 1 - i]; }, m);
    at = from_end == n ? n : n - from_end - m;
  } else {
    at = FindFirst([&](size_t i) { return prompt[i]; }, n, [&](size_t i) { return inner[i]; }, m);
  }
  if (at == n) return {};
  const auto first = static_cast<TokenPos>(at);
  const TokenPos last = first + static_cast<TokenPos>(inner.size());
  if (!widen) return {first, last};
  return {std::max<TokenPos>(0, first - 1),
          std::min<TokenPos>(static_cast<TokenPos>(prompt.size()), last + 1)};
}

Result<Prompt> RawPrompt(const Tokenizer& tokenizer, std::string_view text,
                         std::string_view question) {
  return Finish(tokenizer, !IsValidUtf8(text), tokenizer.Encode(text), question,
                PlaceOf(text, question));
}

Result<Prompt> ChatPrompt(const Tokenizer& tokenizer, const ChatTemplate* chat,
                          std::span<const ChatMessage> messages, std::string_view question) {
  if (messages.empty()) return InvalidArgument("the conversation has no messages");
  if (chat == nullptr) {
    const std::string& text = messages.back().content;
    return Finish(tokenizer, !IsValidUtf8(text), tokenizer.Encode(text, {.parse_special = false}),
                  question, PlaceOf(text, question));
  }
  const Result<std::vector<RenderedSegment>> segments = chat->RenderSegments(messages);
  if (!segments.ok()) return segments.status();
  // Of a conversation the newest turn is the question, unless it is given.
  if (question.empty() && messages.size() > 1) question = messages.back().content;
  const Place place = PlaceOf(messages.back().content, question);
  std::string text;
  for (const RenderedSegment& s : *segments) text += s.text;
  // Templates repair what they are given.
  const bool repaired = std::any_of(messages.begin(), messages.end(),
                                    [](const ChatMessage& m) { return !IsValidUtf8(m.content); });
  return Finish(tokenizer, repaired,
                EncodeSegments(tokenizer, text, *segments, chat->leaves_bos_to_tokenizer()),
                question, place);
}

std::string DocumentMessage(std::string_view document, std::string_view question,
                            bool question_first) {
  if (question_first) return fmt::format("{}\n\n{}\n\n{}", question, document, question);
  return fmt::format("{}\n\n{}", document, question);
}

Result<Prompt> FitPrompt(Prompt prompt, int64_t max_len, int64_t max_new_tokens, bool cut) {
  const auto n = static_cast<int64_t>(prompt.tokens.size());
  const int64_t room = max_len - max_new_tokens;
  if (n <= room) return prompt;
  if (!cut) {
    return InvalidArgument(
        fmt::format("the prompt has {} tokens; max_len {} less {} new ones leaves room for {}", n,
                    max_len, max_new_tokens, std::max<int64_t>(0, room)));
  }
  if (room <= kKeptHead) {
    return InvalidArgument(fmt::format(
        "max_len {} less {} new tokens leaves room for {}, cutting a prompt needs more than {}",
        max_len, max_new_tokens, room, kKeptHead));
  }
  const int64_t removed = n - room;
  prompt.tokens.erase(prompt.tokens.begin() + kKeptHead,
                      prompt.tokens.begin() + kKeptHead + removed);
  const auto moved = [&](TokenPos t) {
    return t <= kKeptHead ? t : std::max(kKeptHead, t - removed);
  };
  prompt.question = {moved(prompt.question.begin), moved(prompt.question.end)};
  return prompt;
}

}  // namespace quarry
