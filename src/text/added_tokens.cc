#include "text/added_tokens.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"
#include "text/unicode.h"

namespace quarry::text {
namespace {

// Of all tokens together: some dozen bytes are kept for each.
constexpr size_t kMaxTotalBytes = size_t{4} << 20;

// Where the last character of `text` begins. REQUIRES: not empty, valid UTF-8.
size_t LastChar(std::string_view text) {
  size_t i = text.size() - 1;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

bool IsWholeWord(std::string_view before, std::string_view after) {
  if (!before.empty() && IsWordChar(DecodeUtf8(before, LastChar(before)).code_point)) return false;
  return after.empty() || !IsWordChar(DecodeUtf8(after, 0).code_point);
}

size_t SpacesAtEnd(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const size_t last = LastChar(text.substr(0, end));
    if (!IsWhitespace(DecodeUtf8(text, last).code_point)) break;
    end = last;
  }
  return text.size() - end;
}

// `size`: of the token or what normalisation made of it.
Status CheckTokenBytes(const std::string& token, size_t size, std::string_view what) {
  if (size <= kMaxTokenBytes) return OkStatus();
  return Unsupported(fmt::format("added token {}: {}it has {} bytes, at most {}", Quoted(token),
                                 what, size, kMaxTokenBytes));
}

size_t SpacesAtBegin(std::string_view text) {
  size_t n = 0;
  while (n < text.size()) {
    const Utf8Step step = DecodeUtf8(text, n);
    if (!IsWhitespace(step.code_point)) break;
    n += static_cast<size_t>(step.length);
  }
  return n;
}

}  // namespace

std::vector<AddedToken> AddedVocabulary::WithoutRepeats(std::vector<AddedToken> tokens) {
  std::vector<AddedToken> out;
  std::map<std::string, size_t> places;
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto [it, fresh] = places.emplace(token.content, out.size());
    if (fresh) {
      out.push_back(std::move(token));
      continue;
    }
    AddedToken& first = out[it->second];
    token.special = token.special || first.special;
    token.id = first.id;
    first = std::move(token);
  }
  return out;
}

Result<AddedVocabulary> AddedVocabulary::Create(std::vector<AddedToken> tokens,
                                                const Normalizer* normalizer) {
  AddedVocabulary v;
  v.tokens_ = WithoutRepeats(std::move(tokens));
  size_t total = 0;
  for (size_t i = 0; i < v.tokens_.size(); ++i) {
    const AddedToken& token = v.tokens_[i];
    if (const AddedToken* other = v.Find(token.id)) {
      return CorruptData(fmt::format("added tokens {} and {} both have id {}",
                                     Quoted(other->content), Quoted(token.content), token.id));
    }
    if (Status s = CheckTokenBytes(token.content, token.content.size(), ""); !s.ok()) return s;
    std::string text = token.content;
    if (token.normalized && normalizer != nullptr) {
      bool at_start = true;
      if (Status s = normalizer->Apply(text, at_start); !s.ok()) {
        return s.WithPrefix(fmt::format("added token {}", Quoted(token.content)));
      }
      if (Status s = CheckTokenBytes(token.content, text.size(), "normalised, "); !s.ok()) return s;
    }
    total += text.size();
    if (total > kMaxTotalBytes) {
      return Unsupported(fmt::format("added token {}: those up to it have {} bytes, at most {}",
                                     Quoted(token.content), total, kMaxTotalBytes));
    }
    if (!text.empty()) {
      Matcher& matcher = v.matchers_[token.normalized ? 1 : 0];
      (token.special ? matcher.special : matcher.other).Insert(text, static_cast<int>(i));
    }
    v.texts_.push_back(std::move(text));
    v.by_content_.emplace(token.content, i);
    v.by_id_.emplace(token.id, i);
    if (token.special) v.specials_.Insert(token.id);
  }
  for (size_t i = 0; i < v.tokens_.size(); ++i) {
    const AddedToken* same = v.Find(v.texts_[i]);
    if (same != nullptr && same->special) v.skipped_.Insert(v.tokens_[i].id);
  }
  return v;
}

std::optional<std::string_view> AddedVocabulary::Text(TokenId id) const {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return std::nullopt;
  return texts_[it->second];
}

const AddedToken* AddedVocabulary::Find(std::string_view content) const {
  const auto it = by_content_.find(content);
  return it == by_content_.end() ? nullptr : &tokens_[it->second];
}

const AddedToken* AddedVocabulary::Find(TokenId id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &tokens_[it->second];
}

const AddedToken* AddedVocabulary::Longest(const Matcher& matcher, std::string_view text,
                                           bool parse_special, size_t& length) const {
  PrefixTrie::Hit hit = matcher.other.Longest(text);
  if (parse_special) {
    const PrefixTrie::Hit special = matcher.special.Longest(text);
    if (special.length >= hit.length) hit = special;
  }
  length = hit.length;
  return hit.length == 0 ? nullptr : &tokens_[static_cast<size_t>(hit.value)];
}

void AddedVocabulary::Split(std::string_view text, bool normalized, bool parse_special,
                            std::vector<Piece>& out) const {
  const Matcher& matcher = matchers_[normalized ? 1 : 0];
  size_t covered = 0;  // everything before is in `out`
  // The last run of blanks that was looked at: tokens inside of it do not look again.
  size_t blanks_begin = 0, blanks_end = 0;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!matcher.other.CanBegin(byte) && !(parse_special && matcher.special.CanBegin(byte))) {
      ++i;
      continue;
    }
    size_t length = 0;
    const AddedToken* token = Longest(matcher, text.substr(i), parse_special, length);
    if (token == nullptr) {
      ++i;
      continue;
    }
    size_t begin = i;
    size_t end = i + length;
    i = end;  // shorter tokens inside a rejected one are not looked for
    if (token->single_word && !IsWholeWord(text.substr(0, begin), text.substr(end))) continue;
    if (token->lstrip && begin > covered) {
      begin -= SpacesAtEnd(text.substr(covered, begin - covered));
    }
    if (token->rstrip) {
      if (end < blanks_begin || end > blanks_end) {
        blanks_begin = end;
        blanks_end = end + SpacesAtBegin(text.substr(end));
      }
      end = blanks_end;
    }
    begin = std::max(begin, covered);  // the token before may have taken its blanks
    if (begin >= end) continue;
    if (covered < begin) out.push_back({covered, begin});
    out.push_back({begin, end, token->id});
    covered = end;
  }
  if (covered < text.size()) out.push_back({covered, text.size()});
}

}  // namespace quarry::text
