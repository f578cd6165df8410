#include "eval/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

namespace quarry::eval {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char UpperAscii(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Maximal runs of digits.
std::vector<std::string_view> DigitRuns(std::string_view text) {
  std::vector<std::string_view> runs;
  for (size_t i = 0; i < text.size();) {
    if (!IsDigit(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsDigit(text[end])) ++end;
    runs.push_back(text.substr(i, end - i));
    i = end;
  }
  return runs;
}

std::string Blanked(std::string_view text, std::string_view characters) {
  std::string out(text);
  for (char& c : out) {
    if (characters.find(c) != std::string_view::npos) c = ' ';
  }
  return out;
}

void BlankString(std::string& text, std::string_view what) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), " ");
  }
}

std::string Squeezed(const std::string& text) {
  std::string out;
  for (const std::string& word : Words(text)) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string_view WithoutZeros(std::string_view digits) {
  const size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? digits.substr(0, 1) : digits.substr(first);
}

// A whole word as an integer, with an optional sign.
std::optional<int64_t> AsInteger(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// What follows the first of `leads` that occurs, one character further; nullopt if none does.
std::optional<std::string_view> AfterLead(std::string_view text,
                                          std::initializer_list<std::string_view> leads) {
  for (std::string_view lead : leads) {
    const size_t at = text.find(lead);
    if (at == std::string_view::npos) continue;
    return text.substr(std::min(text.size(), at + lead.size() + 1));
  }
  return std::nullopt;
}

bool ContainsLabel(Labels labels, std::string_view word) {
  return std::find(labels.begin(), labels.end(), word) != labels.end();
}

}  // namespace

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size();) {
    if (IsSpace(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && !IsSpace(text[end])) ++end;
    words.emplace_back(text.substr(i, end - i));
    i = end;
  }
  return words;
}

std::string_view Strip(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

double FirstInt(std::string_view prediction, Labels labels) {
  const auto runs = DigitRuns(prediction);
  return !runs.empty() && runs[0] == labels[0];
}

double FirstIntValue(std::string_view prediction, Labels labels) {
  const auto runs = DigitRuns(prediction);
  return !runs.empty() && WithoutZeros(runs[0]) == WithoutZeros(labels[0]);
}

double Contains(std::string_view prediction, Labels labels) {
  return prediction.find(labels[0]) != std::string_view::npos;
}

double HasPhrase(std::string_view prediction, Labels labels) {
  const std::string text = LowerAscii(prediction), label = LowerAscii(labels[0]);
  const auto in_word = [](char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
  };
  for (size_t at = text.find(label); at != std::string::npos; at = text.find(label, at + 1)) {
    const size_t end = at + label.size();
    if ((at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]))) {
      return 1;
    }
  }
  return 0;
}

double WordIn(std::string_view prediction, Labels labels) {
  std::string text = Blanked(prediction, "\n:\"'.,?!{}");
  for (std::string_view what : {"</s>", "The", "To"}) BlankString(text, what);
  return ContainsLabel(Words(text), labels[0]);
}

double UpperCaseWordIn(std::string_view prediction, Labels labels) {
  std::string text = Blanked(prediction, "\n:\"'.,?!{}");
  std::transform(text.begin(), text.end(), text.begin(), UpperAscii);
  return ContainsLabel(Words(text), labels[0]);
}

std::string PostProcess(std::string_view prediction) {
  std::string text(Strip(prediction));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = '\n';
  }
  return std::string(Strip(text));
}

double AllIn(std::string_view prediction, Labels labels) {
  const std::string text = LowerAscii(PostProcess(prediction));
  const auto found = std::count_if(labels.begin(), labels.end(), [&](const std::string& label) {
    return text.find(LowerAscii(label)) != std::string::npos;
  });
  return labels.empty() ? 0 : static_cast<double>(found) / static_cast<double>(labels.size());
}

double LastInt(std::string_view prediction, Labels labels) {
  const std::vector<std::string> words = Words(Blanked(prediction, "\n.`'\":"));
  if (words.empty()) return 0;
  const std::optional<int64_t> value = AsInteger(words.back());
  return value.has_value() && value == AsInteger(labels[0]);
}

double FirstNumber(std::string_view prediction, Labels labels) {
  size_t begin = 0;
  while (begin < prediction.size() && !IsDigit(prediction[begin])) ++begin;
  size_t end = begin;
  while (end < prediction.size() && IsDigit(prediction[end])) ++end;
  if (end == begin) return 0;
  const std::string_view whole = prediction.substr(begin, end - begin);
  const bool decimal =
      end + 1 < prediction.size() && prediction[end] == '.' && IsDigit(prediction[end + 1]);
  if (labels[0].find('.') == std::string::npos) {
    return WithoutZeros(whole) == WithoutZeros(labels[0]);
  }
  if (decimal) {
    for (++end; end < prediction.size() && IsDigit(prediction[end]);) ++end;
  }
  const auto value = [](std::string_view text) {
    double x = NAN;
    std::from_chars(text.data(), text.data() + text.size(), x);
    return x;
  };
  return value(prediction.substr(begin, end - begin)) == value(labels[0]);
}

double PrefixMatch(std::string_view prediction, Labels labels) {
  const auto runs = DigitRuns(prediction);
  size_t same = 0;
  while (same < runs.size() && same < labels.size() &&
         WithoutZeros(runs[same]) == WithoutZeros(labels[same])) {
    ++same;
  }
  return labels.empty() ? 0 : static_cast<double>(same) / static_cast<double>(labels.size());
}

double ChoiceDebug(std::string_view prediction, Labels labels) {
  const std::string& name = labels[0];
  const std::string& letter = labels[1];
  const std::string_view stripped = Strip(prediction);
  if (stripped.starts_with(letter + ".") || stripped.starts_with(letter + ":")) return 1;
  std::string text = Blanked(stripped, "\n`'\"-*");
  for (std::string_view what : {"Option", "option"}) BlankString(text, what);
  text = Squeezed(text);
  const auto rest = AfterLead(text, {"answer is:", "is:", "answer:"});
  return rest && (rest->starts_with(letter) || rest->starts_with(name));
}

double ChoiceBook(std::string_view prediction, Labels labels) {
  const std::string_view stripped = Strip(prediction);
  if (stripped.empty()) return 0;
  constexpr std::string_view kLetters = "ABCD";
  if (kLetters.find(stripped[0]) != std::string_view::npos) {
    return ContainsLabel(labels, stripped.substr(0, 1));
  }
  if (ContainsLabel(labels, stripped)) return 1;
  const std::string text = Squeezed(Blanked(stripped, "\n\"'.,?!{}"));
  if (const auto rest = AfterLead(text, {"answer is:", "answer:", "answer is", "option is"})) {
    return std::any_of(labels.begin(), labels.end(),
                       [&](const std::string& label) { return rest->starts_with(label); });
  }
  for (const std::string& word : Words(text)) {
    if (kLetters.find(word) != std::string_view::npos) return ContainsLabel(labels, word);
  }
  return 0;
}

}  // namespace quarry::eval
