#include <algorithm>
#include <map>
#include <set>

#include "base/utf8.h"
#include "eval/metrics.h"

namespace quarry::eval {
namespace {

using Tokens = std::vector<std::string>;

double HarmonicMean(double precision, double recall) {
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

double BagF1(const Tokens& prediction, const Tokens& label) {
  std::map<std::string, int64_t> counts;
  for (const std::string& token : label) ++counts[token];
  int64_t same = 0;
  for (const std::string& token : prediction) {
    const auto it = counts.find(token);
    if (it != counts.end() && it->second-- > 0) ++same;
  }
  if (same == 0) return 0;
  return HarmonicMean(static_cast<double>(same) / static_cast<double>(prediction.size()),
                      static_cast<double>(same) / static_cast<double>(label.size()));
}

bool IsAsciiPunctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// The characters that the benchmark's own list of Chinese punctuation has.
bool IsChinesePunctuation(char32_t c) {
  constexpr std::u32string_view kList =
      U"！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
      U"〔〕〖〗〘〙〚〛〜〝〞〟"
      U"〰〾〿–—‘’‛“”„‟…‧﹏.";
  return kList.find(c) != std::u32string_view::npos;
}

Tokens EnglishTokens(std::string_view text) {
  std::string kept;
  for (char c : LowerAscii(text)) {
    if (!IsAsciiPunctuation(static_cast<unsigned char>(c))) kept += c;
  }
  Tokens tokens = Words(kept);
  std::erase_if(tokens, [](const std::string& t) { return t == "a" || t == "an" || t == "the"; });
  return tokens;
}

Tokens ChineseTokens(std::string_view text) {
  Tokens tokens;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = DecodeUtf8(text, i);
    const char32_t c = step.code_point;
    const bool space = c == ' ' || (c >= '\t' && c <= '\r') || c == 0x3000 || c == 0xa0;
    if (!space && !IsAsciiPunctuation(c) && !IsChinesePunctuation(c)) {
      tokens.push_back(LowerAscii(text.substr(i, static_cast<size_t>(step.length))));
    }
    i += static_cast<size_t>(step.length);
  }
  return tokens;
}

Tokens RougeTokens(std::string_view text) {
  std::string kept = LowerAscii(text);
  for (char& c : kept) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = ' ';
  }
  return Words(kept);
}

std::vector<Tokens> RougeSentences(std::string_view text) {
  std::vector<Tokens> sentences;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    // A line of nothing but punctuation counts, as an empty sentence.
    if (end > begin) sentences.push_back(RougeTokens(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return sentences;
}

// Positions in `reference` of one longest common subsequence with `candidate`; of several, the one
// that rouge_score's back-tracking finds.
std::vector<size_t> LcsPositions(const Tokens& reference, const Tokens& candidate) {
  const size_t rows = reference.size(), cols = candidate.size();
  std::vector<uint32_t> table((rows + 1) * (cols + 1), 0);
  const auto at = [&](size_t i, size_t j) -> uint32_t& { return table[i * (cols + 1) + j]; };
  for (size_t i = 1; i <= rows; ++i) {
    for (size_t j = 1; j <= cols; ++j) {
      at(i, j) = reference[i - 1] == candidate[j - 1] ? at(i - 1, j - 1) + 1
                                                      : std::max(at(i - 1, j), at(i, j - 1));
    }
  }
  std::vector<size_t> positions;
  for (size_t i = rows, j = cols; i > 0 && j > 0;) {
    if (reference[i - 1] == candidate[j - 1]) {
      positions.push_back(--i);
      --j;
    } else if (at(i, j - 1) > at(i - 1, j)) {
      --j;
    } else {
      --i;
    }
  }
  return positions;
}

double RougeLsumOne(std::string_view prediction, std::string_view label) {
  const std::vector<Tokens> candidates = RougeSentences(prediction);
  const std::vector<Tokens> references = RougeSentences(label);
  std::map<std::string, int64_t> left_reference, left_candidate;
  int64_t n_reference = 0, n_candidate = 0, hits = 0;
  for (const Tokens& s : references) {
    for (const std::string& t : s) ++left_reference[t], ++n_reference;
  }
  for (const Tokens& s : candidates) {
    for (const std::string& t : s) ++left_candidate[t], ++n_candidate;
  }
  if (n_reference == 0 || n_candidate == 0) return 0;
  for (const Tokens& reference : references) {
    std::set<size_t> matched;
    for (const Tokens& candidate : candidates) {
      const std::vector<size_t> positions = LcsPositions(reference, candidate);
      matched.insert(positions.begin(), positions.end());
    }
    for (size_t i : matched) {
      int64_t& r = left_reference[reference[i]];
      int64_t& c = left_candidate[reference[i]];
      if (r > 0 && c > 0) --r, --c, ++hits;
    }
  }
  return HarmonicMean(static_cast<double>(hits) / static_cast<double>(n_candidate),
                      static_cast<double>(hits) / static_cast<double>(n_reference));
}

template <typename Score>
double Best(Labels labels, Score score) {
  double best = 0;
  for (const std::string& label : labels) best = std::max(best, score(label));
  return best;
}

}  // namespace

double F1English(std::string_view prediction, Labels labels) {
  const Tokens tokens = EnglishTokens(prediction);
  return Best(labels, [&](const std::string& l) { return BagF1(tokens, EnglishTokens(l)); });
}

double F1Chinese(std::string_view prediction, Labels labels) {
  const Tokens tokens = ChineseTokens(prediction);
  return Best(labels, [&](const std::string& l) { return BagF1(tokens, ChineseTokens(l)); });
}

double RougeLsum(std::string_view prediction, Labels labels) {
  return Best(labels, [&](const std::string& l) { return RougeLsumOne(prediction, l); });
}

double WordRecall(std::string_view prediction, Labels labels) {
  static const std::set<std::string> kStop = {
      "a",  "an", "and", "are", "at",   "be",  "best",  "by",   "do", "for", "in",  "is",
      "it", "of", "on",  "or",  "that", "the", "thing", "this", "to", "was", "with"};
  const Tokens said = RougeTokens(prediction);
  const std::set<std::string> words(said.begin(), said.end());
  return Best(labels, [&](const std::string& l) {
    double wanted = 0, found = 0;
    for (const std::string& t : RougeTokens(l)) {
      if (kStop.contains(t)) continue;
      ++wanted;
      found += words.contains(t);
    }
    return wanted > 0 ? found / wanted : 0;
  });
}

}  // namespace quarry::eval
